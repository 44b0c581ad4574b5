"""为什么看得到 / 看不到: the guard's decision for an account, a record, an action and a field, with
the rule that decided; never the value itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import Form, SelectField, StringField, validators

from app.domain.messages import N_
from app.domain.workflow import ActorRole as R
from app.models import Account
from app.security import reasons
from app.security.guard import REACH_WORDS, Action, Grant
from app.security.reasons import Answer, Part, Question, RoleReason
from app.views import forms as f
from app.views.audit_names import OBJECTS, name_object
from app.views.base import ALL, PortalView
from app.views.labels import name_of
from app.views.menu import add_screen
from app.views.widgets import PortalInput, PortalSelect

LONGEST_LINK = 300

ACTION_WORDS = {
    Action.LIST: N_("see it in lists"),
    Action.SHOW: N_("open it"),
    Action.ADD: N_("enter a new one"),
    Action.EDIT: N_("change it"),
    Action.DELETE: N_("delete it"),
    Action.EXPORT: N_("export it"),
    Action.IMPORT: N_("import it"),
    Action.PRINT: N_("print it"),
    Action.DOWNLOAD: N_("download its file"),
    Action.ACT: N_("act on it"),
    Action.API: N_("read it by the interface"),
    Action.HISTORY: N_("see its history"),
}

TABLE_WORDS = {
    "AccountProof": N_("Proof of employment"),
    "ApplicationVersion": N_("Submitted version of an application"),
    "AuditEntry": N_("Audit entry"),
    "AuditLink": N_("Link of the audit chain"),
    "CorrectionRequest": N_("Correction request"),
    "Division": N_("Division"),
    "HolidayDay": N_("Holiday"),
    "ImportProof": N_("Proof of belonging"),
    "JobRun": N_("Job run"),
    "Lapse": N_("Overdue record"),
    "Material": N_("Application material"),
    "Notification": N_("Notification"),
    "Person": N_("Person"),
    "PersonalDataRead": N_("View of a personal number"),
    "PersonnelAffiliation": N_("Personnel affiliation"),
    "PlanCategorySeries": N_("Series of a plan category"),
    "PlanLineRevision": N_("Revision of a plan line"),
    "ProfessionalTitle": N_("Professional title"),
    "RoutingStep": N_("Routing step"),
    "Series": N_("Title series"),
    "ShippedDefinition": N_("Definition as shipped"),
}
"""Tables the audit log does not name."""

FIELD_WORDS = {
    "birth_date": N_("Date of birth"),
    "changed_by": N_("Changed by"),
    "contact_name": N_("Contact person"),
    "contact_phone": N_("Contact telephone"),
    "contact_phone_mask": N_("Contact telephone, masked"),
    "content": N_("What the applicant filled in"),
    "created_by": N_("Created by"),
    "current_step": N_("Present routing step"),
    "email": N_("Mail address"),
    "employer": N_("Employer"),
    "events": N_("History"),
    "gender": N_("Gender"),
    "holder_unit": N_("Holder"),
    "identity_hash": N_("Check value of the document number"),
    "identity_mask": N_("Document number, masked"),
    "identity_number": N_("Document number"),
    "materials": N_("Materials"),
    "name": N_("Name"),
    "nodes": N_("Route"),
    "number": N_("Number"),
    "password": N_("Password"),
    "person": N_("Person"),
    "phone": N_("Mobile number"),
    "phone_mask": N_("Mobile number, masked"),
    "profile": N_("Profile"),
    "publicities": N_("Publicities"),
    "retirement_on": N_("Retirement date"),
    "search": N_("Text index"),
    "session_stamp": N_("Session mark"),
    "shown_login": N_("Login"),
    "versions": N_("Submitted versions"),
}
"""Fields that grants name, in words."""


class QuestionForm(Form):
    """Who, which record, what, which field; everything stands in the address, numbers only."""

    account = f.lookup(
        _l("Account"), Account, required=True, hint=_l("Name of the person or unit.")
    )
    link = StringField(
        _l("Address of the page"),
        [validators.Optional(), validators.Length(max=LONGEST_LINK)],
        description=_l("Copied from the browser; or choose the kind of record below."),
        widget=PortalInput("text"),
    )
    table = SelectField(
        _l("Kind of record"),
        [validators.Optional()],
        choices=lambda: table_choices(),
        widget=PortalSelect(),
    )
    number = StringField(
        _l("Number of the record"),
        [validators.Optional(), validators.Length(max=80)],
        description=_l("The number at the end of its address; empty: the list."),
        widget=PortalInput("text"),
    )
    action = SelectField(
        _l("Action"),
        [validators.Optional()],
        choices=lambda: action_choices(),
        widget=PortalSelect(),
    )
    field = SelectField(
        _l("Field"),
        [validators.Optional()],
        choices=lambda: [("", str(_("The record itself")))],
        widget=PortalSelect(),
        validate_choice=False,
    )


def table_name(model: type) -> str:
    """What a table is called."""
    word = model.__name__
    return str(_(TABLE_WORDS[word])) if word in TABLE_WORDS else name_object(word)


def has_name(model: type) -> bool:
    """Whether a table has a name in words; a test asks for one."""
    return model.__name__ in {*TABLE_WORDS, *OBJECTS}


def table_choices() -> list[tuple[str, str]]:
    """The kinds of records, by name."""
    found = [(m.__name__, table_name(m)) for m in reasons.tables() if has_name(m)]
    return [("", str(_("By the address above"))), *sorted(found, key=lambda pair: pair[1])]


def action_choices() -> list[tuple[str, str]]:
    """The actions, opening first."""
    first = (Action.SHOW, Action.LIST)
    rest = [action for action in Action if action not in first]
    return [(action.value, str(_(ACTION_WORDS[action]))) for action in (*first, *rest)]


def field_labels(model: type) -> dict[str, str]:
    """The fields of a table that have a name in words, as its screens and grants call them."""
    labels: dict[str, str] = {}
    for name in reasons.askable_fields(model):
        if name in FIELD_WORDS:
            labels[name] = str(_(FIELD_WORDS[name]))
    for view in reasons.views_of(model):
        for name, label in view.label_columns.items():
            if isinstance(label, LazyString) and name in reasons.askable_fields(model):
                labels[name] = str(label)
    return labels


def field_choices(model: type | None) -> list[tuple[str, str]]:
    """The record itself, then its fields by name."""
    found = sorted(field_labels(model).items(), key=lambda pair: pair[1]) if model else []
    return [("", str(_("The record itself"))), *found]


class WhyView(PortalView):
    """The page."""

    route_base = "/why"
    default_view = "ask"
    grants = {R.SECURITY_ADMIN: ALL, R.PROVINCE_HRSS: ALL}

    @expose("/")
    @has_access
    def ask(self) -> Any:
        """Ask, and read the answer."""
        form = QuestionForm(request.args)
        question = None
        refused = ""
        if request.args.get("account"):
            if form.validate():
                question, refused = self._question(form)
            else:
                refused = str(_("Choose an account of your scope and a page or record."))
        form.field.choices = field_choices(question.model if question else self._table(form))
        return self.render_template(
            "why/ask.html",
            title=_("Why visible, why not"),
            form=form,
            refused=refused,
            **(self._answer(question) if question else {"answer": None}),
        ), (422 if refused else 200)

    @staticmethod
    def _table(form: QuestionForm) -> type | None:
        return next((m for m in reasons.tables() if m.__name__ == form.table.data), None)

    def _question(self, form: QuestionForm) -> tuple[Question | None, str]:
        account, field = form.account.data, form.field.data or ""
        model = self._table(form)
        if model is None:
            path = urlsplit((form.link.data or "").strip()).path
            question = reasons.ask_link(path, account, field) if path.startswith("/") else None
            if question is None:
                return None, str(_("This is no address of the portal. Copy it from the browser."))
        else:
            number = (form.number.data or "").strip()
            action = Action(form.action.data or Action.SHOW)
            question = reasons.ask_table(model, number, action, account, field)
        if field and (question.model is None or field not in field_labels(question.model)):
            return None, str(_("This record has no such field. Choose one from the list."))
        return question, ""

    def _answer(self, question: Question) -> dict[str, Any]:
        answer = reasons.answer(question)
        return {
            "answer": answer,
            "sentence": sentence(question, answer),
            "facts": facts_of(question, answer),
            "asks_field": bool(question.field),
            "roles": [describe_role(reason, question) for reason in answer.roles],
        }


def facts_of(question: Question, answer: Answer) -> list[tuple[Any, Any]]:
    """What was asked, in words; the record by kind and number alone."""
    found: list[tuple[Any, Any]] = [
        (_("Account"), question.account.first_name),
        (_("Unit of the account"), " > ".join(answer.account_path) or _("none")),
        (_("Roles"), "、".join(name_of(reason.role) for reason in answer.roles) or _("none")),
    ]
    if question.model is not None:
        found.append((_("Record"), record_name(question.model, question.row)))
    if answer.row_path:
        found.append((_("Unit of the record"), " > ".join(answer.row_path)))
    found.append((_("Action"), _(ACTION_WORDS[question.action])))
    if question.field and question.model is not None:
        found.append((_("Field"), field_labels(question.model)[question.field]))
    return found


def record_name(model: type, row: Any) -> str:
    """'Application 12', or the list of a kind."""
    kind = table_name(model)
    if row is None:
        return str(_("List: %(kind)s", kind=kind))
    return f"{kind} {' '.join(str(part) for part in reasons.key_of(row))}"


def sentence(question: Question, answer: Answer) -> str:
    """The answer in one sentence: what decided."""
    roles = "、".join(name_of(r.role) for r in answer.roles if r.opens_screen)
    words = {
        Part.INACTIVE: _("No: the account is locked."),
        Part.NO_ROLE: _("No: the account holds no role."),
        Part.SCREEN: _("No: none of its roles opens this page or allows this action on it."),
        Part.NO_ROW: _("No: there is no such record."),
        Part.TABLE: _(
            "No: the roles that open the page (%(roles)s) have no grant for this kind of record "
            "and action.",
            roles=roles,
        ),
        Part.ROWS: _(
            "No: the record lies outside the rows of the roles that open the page (%(scopes)s).",
            scopes=scopes_of(answer),
        ),
        Part.NEVER: _(
            "No: this field is shown to nobody. A full number is revealed one at a time, with a "
            "reason, and every view is recorded."
        ),
        Part.FIELD: _(
            "No: the record is within reach, but no role that reaches it is granted this field."
        ),
    }
    if answer.part in words:
        return str(words[answer.part])
    return allowed_sentence(answer)


def scopes_of(answer: Answer) -> str:
    """'HRSS: Own unit and below; …' of the roles that open the page."""
    return "；".join(
        f"{name_of(reason.role)}：{'、'.join(reach_of(v.grant) for v in reason.verdict.verdicts)}"
        for reason in answer.roles
        if reason.opens_screen and reason.verdict.verdicts
    )


def allowed_sentence(answer: Answer) -> str:
    """Yes, by which role and rows."""
    reason = answer.deciding
    if reason is None:
        return str(_("Yes: the page is open to this account; what it shows is its own."))
    grant = next(verdict.grant for verdict in reason.verdict.verdicts if verdict.allows)
    return str(
        _(
            "Yes: the role %(role)s is granted it for the rows “%(reach)s”.",
            role=name_of(reason.role),
            reach=reach_of(grant),
        )
    )


def reach_of(grant: Grant) -> str:
    """The scope word of a grant."""
    return str(_(REACH_WORDS[grant.scope.reach]))


def describe_role(reason: RoleReason, question: Question) -> dict[str, Any]:
    """One branch of the tree."""
    return {
        "name": name_of(reason.role),
        "allows": reason.allows or (reason.opens_screen and question.model is None),
        "opens_screen": reason.opens_screen,
        "grants": [
            {
                "reach": reach_of(verdict.grant),
                "note": str(_(verdict.grant.scope.note)) if verdict.grant.scope.note else "",
                "fields": fields_in_words(verdict.grant),
                "has_row": verdict.has_row,
                "has_field": verdict.has_field,
                "allows": verdict.allows,
            }
            for verdict in reason.verdict.verdicts
        ],
    }


def fields_in_words(grant: Grant) -> str:
    """Which fields a grant names."""
    if not grant.fields.names:
        return str(_("all fields"))
    labels = field_labels(grant.model)
    names = "、".join(sorted(labels.get(name, name) for name in grant.fields.names))
    if grant.fields.is_exception:
        return str(_("all fields except %(names)s", names=names))
    return str(_("only %(names)s", names=names))


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(
        appbuilder,
        WhyView,
        "Why",
        label=_l("Why visible, why not"),
        category="system",
        href="WhyView.ask",
        icon="eye",
    )
