"""单位: the account tree of Annex 3 as list, record and forms."""

from __future__ import annotations

from typing import Any

from flask_appbuilder import expose
from flask_appbuilder.models.sqla.filters import FilterContains
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select
from wtforms import SelectField, StringField

from app import clock
from app.domain.terms import AdministrativeLevel, UnitKind
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Account, Division, PersonnelAffiliation, Unit, UnitCodeAlias
from app.security.actors import current_actor
from app.services import units
from app.services.unit_search import matches_unit
from app.views import forms as f
from app.views.base import READ, scoped
from app.views.labels import choices_of, name_of, shown_as
from app.views.menu import add_screen
from app.views.records import UNUSED, RecordView

STAFF = (R.HRSS, R.COMPETENT_DEPARTMENT, R.UNIT_ADMIN, R.UNIT_HANDLER)
CREATE = READ | {"can_add", "can_edit", "can_close", "can_open", "can_own_code"}


class FilterUnit(FilterContains):
    """One box for name, pinyin initials and code, former codes included."""

    reads = ("name", "pinyin", "code")

    def apply(self, query: Any, value: str) -> Any:
        """Keep the units that fit what was typed, by the text index."""
        return query.filter(matches_unit(value))


class UnitForm(f.PortalForm):
    """A new unit."""

    name = f.text(_l("Unit name"), required=True, longest=120, hint=_l("As on its certificate."))
    kind = f.choice(_l("Unit kind"), lambda: choices_of(units.allowed_kinds(current_actor())))
    level = f.choice(
        _l("Administrative level"),
        lambda: choices_of(AdministrativeLevel, blank=str(_("As the superior unit"))),
        required=False,
    )
    division = f.lookup(_l("Administrative division"), Division, required=True)
    parent = f.lookup(
        _l("Superior unit"),
        Unit,
        hint=_l("Empty: your own unit. A non-public organization goes to its registrar's level."),
    )
    code = f.text(
        _l("Unified social credit code"),
        longest=18,
        hint=_l("Empty only for a unit without a code of its own; the system derives one."),
    )
    registrar = f.text(
        _l("Registrar"),
        longest=120,
        hint=_l("Non-public organizations: the office on the licence."),
    )
    registrar_level = f.choice(
        _l("Level of the registrar"),
        lambda: choices_of(AdministrativeLevel, blank="—"),
        required=False,
        hint=_l("Decides which HRSS department looks after the organization (Annex 3)."),
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

    def draft(self) -> units.UnitDraft:
        """What was entered."""
        return units.UnitDraft(
            name=self.name.data,
            kind=UnitKind(self.kind.data),
            division_code=self.division.data.code,
            level=AdministrativeLevel(self.level.data) if self.level.data else None,
            parent_id=self.parent.data.id if self.parent.data else None,
            code=self.code.data or "",
            registrar=self.registrar.data or "",
            registrar_level=(
                AdministrativeLevel(self.registrar_level.data)
                if self.registrar_level.data
                else None
            ),
            contact_name=self.contact_name.data or "",
            contact_phone=self.contact_phone.data or "",
            address=self.address.data or "",
        )


class UnitChangeForm(f.PortalForm):
    """What of a unit can be changed without moving it."""

    name = f.text(_l("Unit name"), required=True, longest=120)
    division = f.lookup(_l("Administrative division"), Division, required=True)
    registrar = f.text(_l("Registrar"), longest=120)
    contact_name = f.text(_l("Contact"), longest=60)
    contact_phone = f.text(_l("Telephone of the contact"), longest=40)
    address = f.text(_l("Address"))
    is_self_reviewing = f.tick(
        _l("Self-reviewing unit"), hint=_l("Named by the provincial HRSS department.")
    )


class OwnCodeForm(f.PortalForm):
    """The code a unit has received."""

    code = f.text(_l("Unified social credit code"), required=True, longest=18)


class UnitView(RecordView):
    """单位."""

    route_base = "/units"
    datamodel = scoped(Unit, "parent", "division")
    exclude_route_methods = set(UNUSED)
    grants = {
        R.PROVINCE_HRSS: CREATE,
        **dict.fromkeys(STAFF, CREATE),
        **dict.fromkeys((R.SYSTEM_ADMIN, R.SECURITY_ADMIN, R.AUDIT_ADMIN), READ),
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

    def facts(self, row: Unit) -> list[tuple[Any, Any]]:
        """What is known of a unit."""
        former = db.session.scalars(
            select(UnitCodeAlias.code).where(UnitCodeAlias.unit_id == row.id)
        ).all()
        return [
            (_("Unit code"), row.code),
            (_("Former codes"), ", ".join(former)),
            (_("Unit kind"), name_of(row.kind)),
            (_("Administrative level"), name_of(row.level)),
            (_("Administrative division"), row.division.name),
            (_("Superior unit"), str(row.parent or "")),
            (_("Registrar"), row.registrar),
            (_("Level of the registrar"), name_of(row.registrar_level)),
            (_("Self-reviewing unit"), _("Yes") if row.is_self_reviewing else _("No")),
            (_("Contact"), row.contact_name),
            (_("Telephone of the contact"), row.contact_phone),
            (_("Address"), row.address),
        ]

    def record_context(self, row: Unit) -> dict[str, Any]:
        """Subordinates in pages of twenty, how many accounts and people."""
        below = select(Unit).where(Unit.parent_id == row.id).order_by(Unit.name).limit(21)
        subordinates = db.session.scalars(below).all()
        return {
            "subordinates": subordinates[:20],
            "has_more": len(subordinates) > 20,
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
        if units.may_look_after(row, self.actor):
            if row.code_suffix:
                actions += self.link("own_code", row.id, _("Enter its own code"))
            if row.is_active:
                actions += self.link("close", row.id, _("Deactivate"), danger=True)
            else:
                actions += self.button("open", row, _("Activate"))
        return actions

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Create a unit and its account; the activation code is shown on the answer, once."""
        form = UnitForm()
        now = clock.now()

        def create() -> units.CreatedUnit:
            return units.create_unit(form.draft(), actor=self.actor, now=now)

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

        lead = _("Accounts are created from top to bottom, each unit for those directly below it.")
        return self.answer_form(form, _("Add a unit"), create, done, lead=lead)

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change a unit of one's own subtree."""
        row = self._readable(pk)
        form = UnitChangeForm(obj=row, data={"expected_version": row.version})
        now = clock.now()
        may_name = self.actor.has_role(R.PROVINCE_HRSS)

        def change() -> Unit:
            values = {key: form[key].data for key in form.data if key in units.CHANGEABLE}
            values["division_code"] = form.division.data.code
            changed = units.change_unit(
                row.id, values, expected_version=form.version, actor=self.actor, now=now
            )
            wanted = bool(form.is_self_reviewing.data)
            if may_name and wanted != changed.is_self_reviewing:
                units.set_self_reviewing(row.id, wanted, actor=self.actor, now=now)
            return changed

        return self.answer_form(
            form,
            _("Change a unit"),
            change,
            lambda _row: self.saved(_("The unit has been changed."), self.path("show", pk)),
            lead=row.name,
            hidden=[] if may_name else ["is_self_reviewing"],
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
            lead=row.name,
        )

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
            hanging=units.what_hangs_on(row.id),
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


def _count(model: Any, *criteria: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(model).where(*criteria)) or 0


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(appbuilder, UnitView, "Units", label=_l("Units"), category="master")
