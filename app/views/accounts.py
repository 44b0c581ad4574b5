"""账号: unit accounts and real-name personal accounts; numbers masked, every full view logged."""

from __future__ import annotations

import secrets
from typing import Any

from flask import abort, redirect, request, session
from flask_appbuilder import expose
from flask_appbuilder.models.sqla.filters import FilterContains
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, false, or_, select
from wtforms import SelectField, validators

from app import clock
from app.domain.calendar import beijing_date
from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.domain.roles import grantable_by
from app.domain.terms import AccountKind, ApplicantKind, IdentityDocument
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Account, AccountProof, ImportProof, Person, PersonnelAffiliation, Unit
from app.security.scope import read_criterion
from app.services import account_proofs, accounts, audit, dormancy, leaving, misconduct, totp
from app.services.people import PersonDraft
from app.services.settings import parameter
from app.services.units import unit_ref
from app.views import forms as f
from app.views.account_proofs import proof_links
from app.views.base import READ, scoped
from app.views.files import read_proof, show_file
from app.views.labels import choices_of, name_of, shown_as
from app.views.menu import add_screen
from app.views.presentation import show_due, show_instant
from app.views.proofs import proof_field
from app.views.records import UNUSED, RecordView

LOOK_AFTER = READ | {
    "can_search",
    "can_reset",
    "can_remove_totp",
    "can_end_sessions",
    "can_lock",
    "can_unlock",
    "can_reactivate",
    "can_reveal",
}
OWN_PEOPLE = LOOK_AFTER | {"can_add", "can_leave", "can_prove", "can_proof", "can_import_proof"}
NODES = (R.COMPETENT_DEPARTMENT, R.UNIT_HANDLER)
MAX_ID = 2**31 - 1
PROOF_HINT = _l(
    "Six months of social insurance, the labour contract or the agreement of personnel agency; "
    "pdf, jpg or png."
)
SEARCHES_KEPT = 20


class PersonForm(f.PortalForm):
    """One of the unit's own people."""

    name = f.text(_l("Name"), required=True, longest=60, hint=_l("As on the document."))
    identity_document = f.choice(
        _l("Document"),
        lambda: choices_of(
            d for d in IdentityDocument if d.value in parameter("identity_documents")
        ),
    )
    identity_number = f.text(
        _l("Document number"),
        required=True,
        longest=18,
        hint=_l("It is the login of the account; one number has one account in the province."),
        render_kw={"autocomplete": "off"},
    )
    phone = f.text(
        _l("Mobile number"),
        required=True,
        longest=20,
        hint=_l("Sign-in codes are sent to it."),
        render_kw={"autocomplete": "off"},
    )
    applicant_kind = f.choice(_l("The person is"), lambda: choices_of(ApplicantKind))
    is_handler = f.tick(
        _l("Handler of the unit"), hint=_l("Checks, publicises and forwards under the own name.")
    )
    declared = f.tick(
        _l("I declare that this person belongs to our unit"),
        required=True,
        hint=_l(
            "Annex 3: creating personal accounts for people of other units counts as misconduct."
        ),
    )
    proof = proof_field(PROOF_HINT)


class ProofForm(f.PortalForm):
    """A proof for an account that is there."""

    proof = proof_field(PROOF_HINT)


class MisconductForm(f.PortalForm):
    """What was found about an account."""

    finding = f.area(_l("Finding"), required=True, longest=4000)
    is_person_at_fault = f.tick(
        _l("The person took part in it"),
        hint=_l("A credit record then bars the person from applying."),
    )


class LeaveForm(f.PortalForm):
    """Until when somebody belonged to the unit, and why no longer."""

    last_on = f.day(_l("Last day in the unit"))
    reason = f.reason(_l("Resignation, retirement or another reason"))


class NewCodeForm(f.PortalForm):
    """Why somebody gets a new activation code, and where the texts go from now on."""

    reason = f.reason()
    phone = f.text(
        _l("Mobile number"),
        longest=20,
        hint=_l("Only if none is registered or it has changed; the former number is told."),
        render_kw={"autocomplete": "off", "inputmode": "tel"},
    )


class RolesForm(f.PortalForm):
    """The roles an account holds, as far as one may grant them."""

    roles = f.several(_l("Roles"), lambda: choices_of(sorted(R)))


class RevealForm(f.PortalForm):
    """Which full number, and why."""

    field = SelectField(
        _l("Number"),
        [validators.InputRequired()],
        choices=lambda: [
            ("identity", str(_("Document number"))),
            ("phone", str(_("Mobile number"))),
        ],
    )
    reason = f.reason(_l("Reason; it is kept in the log of personal data"))


def show_roles(roles: Any) -> str:
    """The names of FAB's role rows, those of the rules only."""
    held = sorted(R(role.name) for role in roles if role.name in accounts.ROLE_NAMES)
    return "、".join(name_of(role) for role in held)


def _password_state(row: Account) -> str:
    """What the holder has to do about the password."""
    if row.activation_hash is not None and row.activation_expires_at is not None:
        return str(
            _(
                "to be chosen with the activation code, until %(at)s",
                at=show_due(row.activation_expires_at),
            )
        )
    return str(_("to be changed at the next sign-in") if row.must_change_password else _("own"))


class AccountView(RecordView):
    """账号."""

    route_base = "/accounts"
    datamodel = scoped(Account, "unit", "person", "roles")
    exclude_route_methods = {*UNUSED, "edit"}
    grants = {
        R.PROVINCE_HRSS: OWN_PEOPLE | {"can_roles", "can_misconduct"},
        R.SECURITY_ADMIN: LOOK_AFTER | {"can_roles"},
        R.HRSS: OWN_PEOPLE | {"can_misconduct"},
        R.UNIT_ADMIN: OWN_PEOPLE | {"can_appoint", "can_dismiss"},
        **dict.fromkeys(NODES, OWN_PEOPLE),
    }
    list_title = _l("Accounts")
    list_template = "accounts/list.html"
    list_columns = ["first_name", "kind", "unit", "shown_login", "roles", "active"]
    search_columns = ["kind", "unit", "active"]
    order_columns = ["first_name", "kind"]
    label_columns = {
        "first_name": _l("Name"),
        "kind": _l("Kind of account"),
        "unit": _l("Unit"),
        "shown_login": _l("Login"),
        "roles": _l("Roles"),
        "active": _l("Active"),
    }
    formatters_columns = {"kind": shown_as(AccountKind), "roles": show_roles}
    search_form_extra_fields = {
        "kind": SelectField(_l("Kind of account"), choices=lambda: choices_of(AccountKind))
    }
    record_template = "accounts/show.html"

    # ---- the list: names are searched by POST and stay out of the address (ui.md 2)

    @expose("/search", methods=["POST"])
    @has_access
    def search(self) -> Any:
        """Keep what was typed in the session and go on with an opaque token."""
        term = request.form.get("term", "").replace("\0", "").strip()[:60]
        if not term:
            return redirect(self.path("list/"), 303)
        token = secrets.token_urlsafe(9)
        kept = dict(list(session.get("account_searches", {}).items())[-SEARCHES_KEPT:])
        session["account_searches"] = {**kept, token: term}
        return redirect(f"{self.path('list/')}?q={token}", 303)

    def _get_list_widget(self, filters: Any, **kwargs: Any) -> Any:
        term = session.get("account_searches", {}).get(request.args.get("q", ""))
        if term:
            filters.add_filter("first_name", FilterAccount, term)
        return super()._get_list_widget(filters, **kwargs)

    def render_template(self, template: str, **kwargs: Any) -> Any:
        kwargs.setdefault(
            "term", session.get("account_searches", {}).get(request.args.get("q", ""), "")
        )
        return super().render_template(template, **kwargs)

    # ---- the record

    def record_title(self, row: Account) -> str:
        """The name behind the account."""
        return row.first_name

    def facts(self, row: Account) -> list[tuple[Any, Any]]:
        """What is known of an account; numbers masked."""
        person = row.person
        found: list[tuple[Any, Any]] = [
            (_("Kind of account"), name_of(row.kind)),
            (_("Unit"), str(row.unit or "")),
            (_("Login"), row.shown_login),
            (_("Roles"), show_roles(row.roles)),
            (_("Active"), _("Yes") if row.active else _("No")),
            (_("Password"), _password_state(row)),
            (_("Activated at"), show_instant(row.activated_at)),
        ]
        if person is not None:
            found += [
                (_("Document"), name_of(person.identity_document)),
                (_("Document number"), person.identity_mask),
                (_("Mobile number"), person.phone_mask),
            ]
        return found

    def record_context(self, row: Account) -> dict[str, Any]:
        """Where the person belongs and has belonged."""
        suspended = dormancy.is_suspended(row, now=clock.real_now())
        more = {
            "suspended": suspended,
            "proofs": proof_links([row.id], self.actor)[row.id],
            "finding": misconduct.in_force(row.id),
            "finding_url": "/misconduct/show/",
        }
        if row.person_id is None:
            return {"affiliations": [], **more}
        query = (
            select(PersonnelAffiliation, Unit.name)
            .join(Unit, Unit.id == PersonnelAffiliation.unit_id)
            .where(
                PersonnelAffiliation.person_id == row.person_id,
                read_criterion(PersonnelAffiliation, self.actor),
            )
            .order_by(PersonnelAffiliation.starts_on.desc())
        )
        return {"affiliations": db.session.execute(query).all(), **more}

    def page_actions(self, row: Account) -> list[dict[str, Any]]:
        """Buttons for what the reader's reach allows."""
        actions: list[dict[str, Any]] = []
        held = accounts.roles_of(row)
        if accounts.is_managed_by(row, self.actor):
            actions += self.link("reset", row.id, _("New password"), icon="key")
            if totp.find_enrolment(row) is not None:
                actions += self.link("remove_totp", row.id, _("Remove the authenticator"))
            actions += self.link("end_sessions", row.id, _("End all sign-ins"), icon="logout")
            name, label = ("lock", _("Lock")) if row.active else ("unlock", _("Unlock"))
            actions += self.link(name, row.id, label, danger=bool(row.active))
            if dormancy.is_suspended(row, now=clock.real_now()):
                actions += self.link("reactivate", row.id, _("Reactivate"), primary=True)
        if row.person_id is not None:
            actions += self.link("reveal", row.id, _("Show a full number"))
            if row.unit_id == self.actor.unit_id and row.id != self.actor.account_id:
                if R.UNIT_HANDLER in held:
                    actions += self.button("dismiss", row, _("No longer a handler"))
                elif R.APPLICANT in held:
                    actions += self.button("appoint", row, _("Make a handler"))
                actions += self.link("leave", row.id, _("End the affiliation"))
                actions += self.link("prove", row.id, _("Proof of employment"), icon="upload")
        is_below = row.unit is not None and row.unit_id != self.actor.unit_id
        if row.person_id is not None and is_below and misconduct.in_force(row.id) is None:
            actions += self.link("misconduct", row.id, _("Establish misconduct"), danger=True)
        if row.id != self.actor.account_id and grantable_by(self.actor.roles) >= held:
            actions += self.link("roles", row.id, _("Roles"))
        return actions

    # ---- creating

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Create the account of one of the own people."""
        form = PersonForm()
        unit = db.session.get(Unit, self.actor.unit_id) if self.actor.unit_id else None
        if unit is None:
            abort(403)
        now = clock.now()
        offer = {"transfer": False}

        def create() -> accounts.NewAccount:
            proof = read_proof("proof", now)
            draft = PersonDraft(
                name=form.name.data,
                identity_document=IdentityDocument(form.identity_document.data),
                identity_number=form.identity_number.data,
                phone=form.phone.data,
                applicant_kind=ApplicantKind(form.applicant_kind.data),
            )
            try:
                return accounts.create_personal_account(
                    draft,
                    unit=unit_ref(unit),
                    is_handler=bool(form.is_handler.data),
                    declared=bool(form.declared.data),
                    proof=proof,
                    actor=self.actor,
                    now=now,
                )
            except accounts.TransferNeededError:
                offer["transfer"] = True
                raise

        return self.answer_form(
            form,
            _("Create a personal account"),
            create,
            lambda made: self._show_made(made, _("Account created")),
            template="accounts/add.html",
            offer=offer,
            lead=unit.name,
        )

    def _show_made(self, made: accounts.NewAccount, title: Any) -> Any:
        if made.activation_code:
            return self._show_code(made, title)
        return self.saved(
            _(
                "The person had left the last unit and belongs to yours now. The account is the "
                "one of before and opens with its own password."
            ),
            self.path("show", made.account.id),
        )

    def _show_code(self, made: accounts.NewAccount, title: Any) -> Any:
        account = made.account
        return self.render_template(
            "accounts/created.html",
            title=title,
            name=account.first_name,
            login=account.shown_login,
            code=made.activation_code,
            expires_at=account.activation_expires_at,
            is_late=made.is_late,
            next_url=self.path("show", account.id),
        )

    @expose("/prove/<pk>", methods=["GET", "POST"])
    @has_access
    def prove(self, pk: str) -> Any:
        """Put a proof of employment on file."""
        row = self._readable(pk)
        form = ProofForm()
        now = clock.now()

        def add() -> object:
            proof = read_proof("proof", now)
            if proof is None:
                raise RuleViolation(N_("Choose a file first."))
            return account_proofs.add_proof(row.id, proof, actor=self.actor, now=now)

        return self.answer_form(
            form,
            _("Proof of employment"),
            add,
            lambda _row: self.saved(_("The proof is on file."), self.path("show", pk)),
            lead=row.first_name,
            back=self.path("show", pk),
            submit_label=_("Upload"),
        )

    @expose("/proof/<pk>/<int:proof_id>")
    @has_access
    def proof(self, pk: str, proof_id: int) -> Any:
        """One proof, for the unit and everybody above it."""
        row = self._readable(pk)
        found = db.session.scalar(
            select(AccountProof).where(
                AccountProof.id == proof_id,
                AccountProof.account_id == row.id,
                read_criterion(AccountProof, self.actor),
            )
            if proof_id <= MAX_ID
            else select(AccountProof).where(false())
        )
        if found is None:
            abort(404)
        return show_file(found.file, found.filename)

    @expose("/import_proof/<pk>/<int:import_proof_id>")
    @has_access
    def import_proof(self, pk: str, import_proof_id: int) -> Any:
        """A proof given with the import that created the account."""
        row = self._readable(pk)
        if import_proof_id > MAX_ID:
            abort(404)
        found = db.session.execute(
            account_proofs.given_for([row.id]).where(
                ImportProof.id == import_proof_id, read_criterion(ImportProof, self.actor)
            )
        ).first()
        if found is None:
            abort(404)
        return show_file(found.ImportProof.file, found.ImportProof.filename)

    @expose("/misconduct/<pk>", methods=["GET", "POST"])
    @has_access
    def misconduct(self, pk: str) -> Any:
        """Establish that the account was created for somebody of another unit."""
        row = self._readable(pk)
        form = MisconductForm()
        now = clock.now()
        return self.answer_form(
            form,
            _("Establish misconduct"),
            lambda: misconduct.find_misconduct(
                row.id,
                form.finding.data,
                is_person_at_fault=bool(form.is_person_at_fault.data),
                actor=self.actor,
                now=now,
            ),
            lambda found: self.saved(
                _("The finding is in force; everybody concerned has been told."),
                f"/misconduct/show/{found.id}",
            ),
            lead=f"{row.first_name} · {row.unit or ''}",
            back=self.path("show", pk),
            submit_label=_("Establish misconduct"),
            danger=True,
            note=_(
                "The account is locked at once, what the person has handed in through this unit is "
                "disqualified, the finding stands against the unit (Annex 3)."
            ),
            note_kind="warning",
        )

    @expose("/leave/<pk>", methods=["GET", "POST"])
    @has_access
    def leave(self, pk: str) -> Any:
        """Let one of the own people leave without a new unit."""
        row = self._readable(pk)
        now = clock.now()
        form = LeaveForm(data={"last_on": beijing_date(now)})
        return self.answer_form(
            form,
            _("End the affiliation"),
            lambda: leaving.end_affiliation(
                row.id, form.last_on.data, form.reason.data, actor=self.actor, now=now
            ),
            lambda _row: self.saved(
                _("The affiliation has ended; the account belongs to no unit any more."),
                self.path("list/"),
            ),
            lead=row.first_name,
            back=self.path("show", pk),
            submit_label=_("End the affiliation"),
            danger=True,
            note=_(
                "For resignation and retirement. The account stays the person's own; a new unit "
                "takes it up with the document number. Who goes to another unit is transferred "
                "instead, at that unit's request."
            ),
        )

    # ---- looking after

    @expose("/reset/<pk>", methods=["GET", "POST"])
    @has_access
    def reset(self, pk: str) -> Any:
        """Give an account a new random code."""
        row = self._readable(pk)
        form = NewCodeForm()
        now = clock.now()
        return self.answer_form(
            form,
            _("New password"),
            lambda: accounts.reset_password(
                row.id,
                form.reason.data,
                phone=form.phone.data or "",
                actor=self.actor,
                now=now,
            ),
            lambda made: self._show_code(made, _("New password")),
            lead=row.first_name,
            submit_label=_("Create a new code"),
            back=self.path("show", pk),
        )

    @expose("/remove_totp/<pk>", methods=["GET", "POST"])
    @has_access
    def remove_totp(self, pk: str) -> Any:
        """Switch off a lost authenticator; the sign-ins of the account end."""
        row = self._readable(pk)
        form = f.ReasonForm()
        now = clock.now()
        return self.answer_form(
            form,
            _("Remove the authenticator"),
            lambda: totp.remove_totp(row.id, form.reason.data, actor=self.actor, now=now),
            lambda _none: self.saved(
                _("The authenticator has been removed."), self.path("show", pk)
            ),
            lead=row.first_name,
            back=self.path("show", pk),
            submit_label=_("Remove the authenticator"),
            danger=True,
        )

    @expose("/end_sessions/<pk>", methods=["GET", "POST"])
    @has_access
    def end_sessions(self, pk: str) -> Any:
        """End every sign-in of an account on every device; it stays free to sign in anew."""
        row = self._readable(pk)
        form = f.ReasonForm()
        now = clock.now()
        return self.answer_form(
            form,
            _("End all sign-ins"),
            lambda: accounts.end_account_sessions(
                row.id, form.reason.data, actor=self.actor, now=now
            ),
            lambda _none: self.saved(
                _("All sign-ins of the account have ended."), self.path("show", pk)
            ),
            lead=row.first_name,
            back=self.path("show", pk),
            submit_label=_("End all sign-ins"),
            danger=True,
            note=_(
                "The account is signed out on every device at once and may sign in again. If "
                "somebody else knows the password, create a new code instead; to keep the account "
                "out, lock it."
            ),
        )

    @expose("/lock/<pk>", methods=["GET", "POST"])
    @has_access
    def lock(self, pk: str) -> Any:
        """Lock an account; its sessions end at once."""
        return self._set_active(pk, is_active=False)

    @expose("/unlock/<pk>", methods=["GET", "POST"])
    @has_access
    def unlock(self, pk: str) -> Any:
        """Unlock an account."""
        return self._set_active(pk, is_active=True)

    def _set_active(self, pk: str, *, is_active: bool) -> Any:
        row = self._readable(pk)
        form = f.ReasonForm()
        now = clock.now()
        return self.answer_form(
            form,
            _("Unlock the account") if is_active else _("Lock the account"),
            lambda: accounts.set_active(
                row.id, is_active, form.reason.data, actor=self.actor, now=now
            ),
            lambda _row: self.saved(
                _("The account is unlocked.") if is_active else _("The account is locked."),
                self.path("show", pk),
            ),
            lead=row.first_name,
            back=self.path("show", pk),
            submit_label=_("Unlock") if is_active else _("Lock"),
            danger=not is_active,
        )

    @expose("/reactivate/<pk>", methods=["GET", "POST"])
    @has_access
    def reactivate(self, pk: str) -> Any:
        """Let a suspended account sign in again."""
        row = self._readable(pk)
        form = f.ReasonForm()
        now = clock.real_now()
        return self.answer_form(
            form,
            _("Reactivate the account"),
            lambda: dormancy.reactivate_account(
                row.id, form.reason.data, actor=self.actor, now=now
            ),
            lambda _row: self.saved(_("The account may sign in again."), self.path("show", pk)),
            lead=row.first_name,
            back=self.path("show", pk),
            submit_label=_("Reactivate"),
        )

    @expose("/appoint/<pk>", methods=["POST"])
    @has_access
    def appoint(self, pk: str) -> Any:
        """Make one of the own people a handler."""
        row = self._readable(pk)
        now = clock.now()
        return self.perform(
            lambda: accounts.appoint_handler(row.id, actor=self.actor, now=now),
            _("The person acts for the unit from now on."),
            self.path("show", pk),
        )

    @expose("/dismiss/<pk>", methods=["POST"])
    @has_access
    def dismiss(self, pk: str) -> Any:
        """Take the role of a handler away."""
        row = self._readable(pk)
        now = clock.now()
        return self.perform(
            lambda: accounts.dismiss_handler(row.id, actor=self.actor, now=now),
            _("The person no longer acts for the unit."),
            self.path("show", pk),
        )

    @expose("/roles/<pk>", methods=["GET", "POST"])
    @has_access
    def roles(self, pk: str) -> Any:
        """Grant or take away roles within one's own reach; the others stay as they are."""
        row = self._readable(pk)
        reach = grantable_by(self.actor.roles)
        held = accounts.roles_of(row)
        form = RolesForm(data={"roles": [role.value for role in held & reach]})
        form.roles.choices = choices_of(sorted(reach))
        now = clock.now()

        def change() -> Account:
            wanted = frozenset(R(value) for value in form.roles.data) | (held - reach)
            return accounts.change_roles(row.id, wanted, actor=self.actor, now=now)

        return self.answer_form(
            form,
            _("Roles"),
            change,
            lambda _row: self.saved(_("The roles have been changed."), self.path("show", pk)),
            lead=row.first_name,
            back=self.path("show", pk),
        )

    @expose("/reveal/<pk>", methods=["GET", "POST"])
    @has_access
    def reveal(self, pk: str) -> Any:
        """Show one full number; the view is logged in the same transaction."""
        row = self._readable(pk)
        person = row.person
        if person is None:
            abort(404)
        form = RevealForm()

        def show(number: str) -> Any:
            page = self.render_template(
                "accounts/revealed.html",
                title=_("Show a full number"),
                name=row.first_name,
                number=number,
                next_url=self.path("show", pk),
            )
            return page, 200, {"Cache-Control": "no-store"}

        return self.answer_form(
            form,
            _("Show a full number"),
            lambda: _reveal(person, form, self.actor),
            show,
            lead=row.first_name,
            submit_label=_("Show"),
            back=self.path("show", pk),
        )


def _reveal(person: Person, form: RevealForm, actor: Any) -> str:
    if form.field.data == "phone":
        return (
            audit.reveal_phone(person, actor=actor, now=clock.now(), reason=form.reason.data) or "—"
        )
    return audit.reveal_identity(person, actor=actor, now=clock.now(), reason=form.reason.data)


class FilterAccount(FilterContains):
    """Name of the account, or its login; a person's pinyin initials."""

    reads = ("first_name", "username", "shown_login")

    def apply(self, query: Any, value: str) -> Any:
        """Keep the accounts that match what was typed."""
        return query.filter(match_accounts(value))


HASHED_LOGIN = "^p[0-9a-f]{40}$"
"""Logins of personal accounts: a keyed hash of the document number, which nobody searches for."""


def match_accounts(value: str) -> ColumnElement[bool]:
    """The accounts a typed name, login, document number or pinyin initials stand for."""
    term = value.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    by_pinyin = select(Person.id).where(Person.pinyin.ilike(f"{term}%"))
    number = accounts.identity_hash(value)
    by_number = select(Person.id).where(Person.identity_hash == number)
    return or_(
        Account.first_name.ilike(f"%{term}%"),
        Account.username.ilike(f"{term}%") & ~Account.username.regexp_match(HASHED_LOGIN),
        Account.person_id.in_(by_pinyin),
        Account.person_id.in_(by_number),
    )


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(appbuilder, AccountView, "Accounts", label=_l("Accounts"), category="master")
