"""单位: the account tree of Annex 3 as list, record and forms."""

from __future__ import annotations

from typing import Any

from flask import abort, request
from flask_appbuilder import expose
from flask_appbuilder.models.sqla.filters import FilterContains
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select
from wtforms import HiddenField, SelectField, StringField

from app import clock
from app.domain.errors import NotPermittedError
from app.domain.terms import AdministrativeLevel, UnitKind
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Account, Division, PersonnelAffiliation, Unit, UnitCodeAlias
from app.security.guard import Action, may
from app.security.veil import unveiled
from app.services import audit, units
from app.services.materials import Proof
from app.services.unit_moves import may_ask_move, moves_of, state_of_move
from app.services.unit_search import matches_unit
from app.views import forms as f
from app.views.base import READ, scoped
from app.views.files import PROOF_LIMIT, read_proof, show_file
from app.views.labels import choices_of, name_of, shown_as
from app.views.menu import add_screen
from app.views.records import UNUSED, RecordView
from app.views.screens.shape import LEFT_OUT
from app.views.unit_history import unit_events
from app.views.unit_tree import tree_address

STAFF = (R.HRSS, R.COMPETENT_DEPARTMENT, R.UNIT_ADMIN, R.UNIT_HANDLER)
LOOK = READ | {"can_proof"}
CREATE = LOOK | {"can_add", "can_edit", "can_close", "can_open", "can_own_code", "can_reveal"}
PARTS_ONLY = {UnitKind.EMPLOYER, UnitKind.NON_PUBLIC}
"""Who creates parts of itself only, without a code of their own (E5)."""

PROOF_TYPES = ".pdf,.jpg,.jpeg,.png"
OWN_DIVISIONS = "/lookup/division?within=own"


class FilterUnit(FilterContains):
    """One box for name, pinyin initials and code, former codes included."""

    reads = ("name", "pinyin", "code")

    def apply(self, query: Any, value: str) -> Any:
        """Keep the units that fit what was typed, by the text index."""
        return query.filter(matches_unit(value))


KIND_HINTS = {
    UnitKind.HRSS: _l("One level below, for the divisions of your area."),
    UnitKind.COMPETENT_DEPARTMENT: _l("Of your own level; it enters the units it manages itself."),
    UnitKind.NON_PUBLIC: _l("Registered by the registrar of your level; entered with its licence."),
    UnitKind.DESIGNATED_AGENCY: _l(
        "Acts for your department: enters non-public organizations, freelancers and sole "
        "proprietors."
    ),
    UnitKind.EMPLOYER: _l("A unit your department manages, or a part of your unit."),
}
"""What each kind is for, where one is chosen (Annex 3)."""


class UnitForm(f.PortalForm):
    """A new unit; `fit` takes out what a unit of its kind does not have."""

    kind = HiddenField()
    name = f.text(_l("Unit name"), required=True, longest=120, hint=_l("As on its certificate."))
    code = f.text(
        _l("Unified social credit code"),
        longest=18,
        hint=_l("Empty only for a unit without a code of its own; the system derives one."),
    )
    level = f.choice(_l("Administrative level"), list, required=False)
    division = f.lookup(_l("Administrative division"), Division, required=True)
    registrar = f.text(
        _l("Registrar"), required=True, longest=120, hint=_l("The office on the licence.")
    )
    registrar_level = f.choice(
        _l("Level of the registrar"),
        list,
        hint=_l(
            "Decides who looks after the organization. Registered at another level: the HRSS "
            "department of that level or its agency enters it (Annex 3)."
        ),
    )
    proof = f.upload(
        _l("Licence"),
        accept=PROOF_TYPES,
        max_bytes=PROOF_LIMIT,
        hint=_l("Business licence or registration certificate: it shows the registrar."),
    )
    contact_name = f.text(_l("Contact"), longest=60)
    contact_phone = f.text(
        _l("Mobile number of the contact"),
        required=True,
        longest=40,
        hint=_l("The codes of the unit account are sent to it; it opens with them alone."),
        render_kw={"autocomplete": "off", "inputmode": "tel"},
    )
    address = f.text(_l("Address"))

    def fit(self, kind: UnitKind, creator: Unit) -> None:
        """Leave the fields a unit of this kind has, with the choices this creator may make."""
        levels = list(AdministrativeLevel)
        self.division.render_kw = {**self.division.render_kw, "data-lookup": OWN_DIVISIONS}
        is_part = creator.kind in PARTS_ONLY
        if kind is UnitKind.NON_PUBLIC and not is_part:
            self.registrar_level.choices = choices_of([creator.level])
        else:
            del self.registrar, self.registrar_level, self.proof
        if creator.kind is UnitKind.COMPETENT_DEPARTMENT:
            self.level.choices = choices_of(levels[levels.index(creator.level) :])
        else:
            del self.level
        if is_part:
            del self.code

    def draft(self, kind: UnitKind, proof: Proof | None) -> units.UnitDraft:
        """What was entered."""
        given = {name: field.data for name, field in self._fields.items()}
        return units.UnitDraft(
            name=given["name"],
            kind=kind,
            division_code=given["division"].code,
            level=AdministrativeLevel(given["level"]) if given.get("level") else None,
            code=given.get("code") or "",
            registrar=given.get("registrar") or "",
            registrar_level=(
                AdministrativeLevel(given["registrar_level"])
                if given.get("registrar_level")
                else None
            ),
            registrar_proof=proof,
            contact_name=given["contact_name"] or "",
            contact_phone=given["contact_phone"] or "",
            address=given["address"] or "",
        )


class UnitChangeForm(f.PortalForm):
    """What of a unit can be changed without moving it."""

    name = f.text(_l("Unit name"), required=True, longest=120)
    division = f.lookup(_l("Administrative division"), Division, required=True)
    registrar = f.text(_l("Registrar"), longest=120)
    proof = f.upload(
        _l("Licence"),
        accept=PROOF_TYPES,
        max_bytes=PROOF_LIMIT,
        hint=_l(
            "Only to replace the one kept. Another level of the registrar is a move of the unit."
        ),
    )
    contact_name = f.text(_l("Contact"), longest=60)
    address = f.text(_l("Address"))
    is_self_reviewing = f.tick(
        _l("Self-reviewing unit"), hint=_l("Named by the provincial HRSS department.")
    )


class RevealForm(f.PortalForm):
    """Why the full telephone number is needed."""

    reason = f.reason(_l("Reason; it is kept in the log of personal data"))


class OwnCodeForm(f.PortalForm):
    """The code a unit has received."""

    code = f.text(_l("Unified social credit code"), required=True, longest=18)


class UnitView(RecordView):
    """单位."""

    route_base = "/units"
    screen_key = "units"
    shaped_forms = (UnitForm, UnitChangeForm, OwnCodeForm)
    fixed_fields = frozenset({"name", "code", "kind", "level", "is_active", "parent"})
    datamodel = scoped(Unit, "parent", "division")
    exclude_route_methods = set(UNUSED)
    grants = {
        R.PROVINCE_HRSS: CREATE,
        **dict.fromkeys(STAFF, CREATE),
        **dict.fromkeys((R.SYSTEM_ADMIN, R.SECURITY_ADMIN, R.AUDIT_ADMIN), LOOK),
    }
    list_title = _l("Units")
    list_template = "units/list.html"
    list_columns = ["name", "code", "kind", "level", "division", "parent", "is_active"]
    search_columns = ["name", "kind", "level", "division", "is_active"]
    order_columns = ["name", "code", "kind", "level"]
    base_order = ("path", "asc")
    label_columns = {
        "name": _l("Unit name"),
        "code": _l("Unit code"),
        "kind": _l("Unit kind"),
        "level": _l("Administrative level"),
        "division": _l("Administrative division"),
        "parent": _l("Superior unit"),
        "is_active": _l("Active"),
    }
    formatters_columns = {"kind": shown_as(UnitKind), "level": shown_as(AdministrativeLevel)}
    search_form_extra_fields = {
        "name": StringField(_l("Name, pinyin initials or code")),
        "kind": SelectField(_l("Unit kind"), choices=lambda: choices_of(UnitKind)),
        "level": SelectField(
            _l("Administrative level"), choices=lambda: choices_of(AdministrativeLevel)
        ),
    }
    record_template = "units/show.html"

    def _init_properties(self) -> None:
        super()._init_properties()
        own = [FilterUnit("name", self.datamodel)]
        self._filters.get_search_filters()["name"] = own
        self._filters._all_filters["name"] = own

    def record_values(self, row: Unit) -> dict[str, Any]:
        """Former codes; a registrar for non-public organizations only."""
        former = db.session.scalars(
            select(UnitCodeAlias.code).where(UnitCodeAlias.unit_id == row.id)
        ).all()
        values: dict[str, Any] = {
            "former_codes": ", ".join(former),
            "division": row.division.name,
            "contact_phone": row.contact_phone_mask,
        }
        if row.kind is not UnitKind.NON_PUBLIC:
            values |= {"registrar": LEFT_OUT, "registrar_level": LEFT_OUT}
        return values

    def record_context(self, row: Unit) -> dict[str, Any]:
        """Subordinates in pages of twenty, accounts and people, proof, moves and history."""
        below = select(Unit).where(Unit.parent_id == row.id).order_by(Unit.name).limit(21)
        subordinates = db.session.scalars(below).all()
        return {
            "subordinates": subordinates[:20],
            "has_more": len(subordinates) > 20,
            "proof_url": self.path("proof", row.id) if row.registrar_proof_sha256 else "",
            "lacks_proof": row.kind is UnitKind.NON_PUBLIC and not row.registrar_proof_sha256,
            "moves": [
                (move, name_of(state_of_move(move, now=clock.now()))) for move in moves_of(row.id)
            ],
            "events": unit_events(row),
            "accounts": _count(Account, Account.unit_id == row.id),
            "people": _count(
                PersonnelAffiliation,
                PersonnelAffiliation.unit_id == row.id,
                PersonnelAffiliation.ends_on.is_(None),
            ),
        }

    def page_actions(self, row: Unit) -> list[dict[str, Any]]:
        """Buttons; closing and opening are for units above."""
        actions = self.link("edit", row.id, _("Edit"), icon="pencil")
        if row.contact_phone_mask and may(self.actor, Action.SHOW, row, "contact_phone_mask"):
            actions += self.link("reveal", row.id, _("Show a full number"))
        if row.parent_id and row.is_active and may_ask_move(row, self.actor):
            actions.append({"label": _("Move"), "url": f"/unit-moves/ask/{row.id}"})
        if units.may_look_after(row, self.actor):
            label = _("Enter its own code") if row.code_suffix else _("Change the code")
            actions += self.link("own_code", row.id, label)
            if row.is_active:
                actions += self.link("close", row.id, _("Deactivate"), danger=True)
            else:
                actions += self.button("open", row, _("Activate"))
        return actions

    @expose("/proof/<pk>")
    @has_access
    def proof(self, pk: str) -> Any:
        """The licence that shows the registrar of a non-public organization (E6)."""
        row = self._readable(pk)
        if row.registrar_proof is None:
            abort(404)
        return show_file(row.registrar_proof, row.registrar_proof_name)

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Create a unit and its account; the activation code is shown on the answer, once.

        Where several kinds may be created the kind comes first, then the fields it has.
        """
        kinds = units.allowed_kinds(self.actor)
        kind = _read_kind(request.values.get("kind", "")) or (kinds[0] if len(kinds) == 1 else None)
        creator = db.session.get(Unit, self.actor.unit_id) if self.actor.unit_id else None
        if kind is None or creator is None:
            return self._ask_kind(kinds)
        form = UnitForm(data={"kind": kind.value})
        form.fit(kind, creator)
        now = clock.now()

        def create() -> units.CreatedUnit:
            draft = form.draft(kind, read_proof("proof", now) if "proof" in form else None)
            return units.create_unit(draft, actor=self.actor, now=now)

        def done(created: units.CreatedUnit) -> Any:
            return self.render_template(
                "accounts/created.html",
                title=_("Unit created"),
                login=created.unit.code,
                name=created.unit.name,
                code=created.account.activation_code,
                expires_at=created.account.account.activation_expires_at,
                is_late=created.account.is_late,
                next_url=self.path("show", created.unit.id),
            )

        return self.answer_form(
            form,
            _("Add a unit"),
            create,
            done,
            lead=" · ".join((name_of(kind), _("below %(unit)s", unit=creator.name))),
        )

    def _ask_kind(self, kinds: list[UnitKind]) -> Any:
        """The page that asks for the kind first; a posted one that is none is refused."""
        page = self.render_template(
            "units/kind.html",
            title=_("Add a unit"),
            kinds=[(kind.value, name_of(kind), KIND_HINTS[kind]) for kind in kinds],
        )
        return page, 422 if request.method == "POST" else 200

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change a unit of one's own subtree."""
        row = self._readable(pk)
        form = UnitChangeForm(obj=row, data={"expected_version": row.version})
        now = clock.now()
        may_name = self.actor.has_role(R.PROVINCE_HRSS)
        if row.kind is not UnitKind.NON_PUBLIC:
            del form.registrar, form.proof
        if not may_name:
            del form.is_self_reviewing

        def change() -> Unit:
            values = {key: form[key].data for key in form.data if key in units.CHANGEABLE}
            values["division_code"] = form.division.data.code
            changed = units.change_unit(
                row.id, values, expected_version=form.version, actor=self.actor, now=now
            )
            proof = read_proof("proof", now) if "proof" in form else None
            if proof is not None:
                units.replace_registrar_proof(row.id, proof, actor=self.actor, now=now)
            if may_name and bool(form.is_self_reviewing.data) != changed.is_self_reviewing:
                wanted = bool(form.is_self_reviewing.data)
                units.set_self_reviewing(row.id, wanted, actor=self.actor, now=now)
            return changed

        return self.answer_form(
            form,
            _("Change a unit"),
            change,
            lambda _row: self.saved(_("The unit has been changed."), self.path("show", pk)),
            lead=row.name,
            back=self.path("show", pk),
        )

    @expose("/own_code/<pk>", methods=["GET", "POST"])
    @has_access
    def own_code(self, pk: str) -> Any:
        """Enter the code a unit has received; the derived one stays as an alias (E4)."""
        row = self._readable(pk)
        form = OwnCodeForm()
        now = clock.now()
        return self.answer_form(
            form,
            _("Enter its own code"),
            lambda: units.enter_own_code(row.id, form.code.data, actor=self.actor, now=now),
            lambda _row: self.saved(
                _("The code has been entered; the unit signs in with it."), self.path("show", pk)
            ),
            lead=f"{row.name} · {row.code}",
            note=_(
                "The new code becomes the login of the unit account. The present one stays as a "
                "former code: it still finds the unit and still signs in, and no other unit ever "
                "gets it. Units below keep the codes derived from it."
            ),
            back=self.path("show", pk),
        )

    @expose("/reveal/<pk>", methods=["GET", "POST"])
    @has_access
    def reveal(self, pk: str) -> Any:
        """Show the full number of the contact; the view is logged in the same transaction."""
        row = unveiled(self._readable(pk))
        if not may(self.actor, Action.SHOW, row, "contact_phone_mask"):
            raise NotPermittedError
        form = RevealForm()
        now = clock.now()
        return self.answer_form(
            form,
            _("Show a full number"),
            lambda: audit.reveal_contact_phone(
                row, actor=self.actor, now=now, reason=form.reason.data
            ),
            lambda number: self._show_number(row, number or "—"),
            lead=row.name,
            submit_label=_("Show"),
            back=self.path("show", pk),
        )

    def _show_number(self, row: Unit, number: str) -> Any:
        page = self.render_template(
            "accounts/revealed.html",
            title=_("Show a full number"),
            name=row.name,
            number=number,
            next_url=self.path("show", row.id),
        )
        return page, 200, {"Cache-Control": "no-store"}

    @expose("/close/<pk>", methods=["GET", "POST"])
    @has_access
    def close(self, pk: str) -> Any:
        """Deactivate a unit; the page first says what still hangs on it."""
        row = self._readable(pk)
        form = f.ReasonForm()
        now = clock.now()
        return self.answer_form(
            form,
            _("Deactivate a unit"),
            lambda: units.deactivate_unit(row.id, form.reason.data, actor=self.actor, now=now),
            lambda _row: self.saved(_("The unit is no longer active."), self.path("show", pk)),
            template="units/close.html",
            hanging=hanging_links(row, units.what_hangs_on(row.id)),
            back=self.path("show", pk),
            lead=row.name,
            danger=True,
            submit_label=_("Deactivate"),
        )

    @expose("/open/<pk>", methods=["POST"])
    @has_access
    def open(self, pk: str) -> Any:
        """Activate a closed unit again."""
        row = self._readable(pk)
        now = clock.now()
        return self.perform(
            lambda: units.activate_unit(row.id, actor=self.actor, now=now),
            _("The unit is active again."),
            self.path("show", pk),
        )


def _read_kind(text: str) -> UnitKind | None:
    """The kind named in an address or form; None for anything else."""
    return UnitKind(text) if text in {kind.value for kind in UnitKind} else None


def hanging_links(row: Unit, hanging: units.Hanging) -> list[tuple[str, int, str]]:
    """(what, how many, where to look) for each kind of thing that still hangs on a unit."""
    rows = [
        (_("Subordinate units"), hanging.subordinates, tree_address(row.id)),
        (_("People"), hanging.people, f"/accounts/list/?_flt_0_unit={row.id}"),
        (_("Applications under way"), hanging.applications, "/applications/list/"),
        (_("Review committees"), hanging.committees, "/committees/list/"),
        (_("Open publicities"), hanging.publicities, "/publicities/list/"),
        (_("Transfers of people"), hanging.transfers, "/person-transfers/list/"),
        (_("Moves of units"), hanging.moves, "/unit-moves/list/"),
    ]
    return [(what, count, where) for what, count, where in rows if count]


def _count(model: Any, *criteria: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(model).where(*criteria)) or 0


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(appbuilder, UnitView, "Units", label=_l("Units"), category="master")
