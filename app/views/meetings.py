"""评审会议: the office plans and convenes, the supervisor witnesses, the chair presides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, abort, flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from app import clock
from app.domain.terms import InvitationState, MeetingState, PanelRole
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import (
    Account,
    Application,
    Committee,
    EvaluationPlan,
    Expert,
    MeetingItem,
    PanelMember,
    Recusal,
    ReviewMeeting,
)
from app.security.actors import current_actor
from app.security.refusals import say_not_shown
from app.security.scope import read_criterion
from app.services import ballots, meetings, minutes, panels, recusals, seats
from app.services.review_dates import is_ballot_late, latest_ballot_on
from app.views import forms as f
from app.views.base import READ, scoped
from app.views.menu import add_screen
from app.views.records import UNUSED, RecordView

MAX_ID = 2**31 - 1
PAPERS = {"can_minutes", "can_record"}

STATE_KINDS = {
    MeetingState.PLANNED: "idle",
    MeetingState.DRAWN: "active",
    MeetingState.CONVENED: "active",
    MeetingState.OPEN: "soon",
    MeetingState.CLOSED: "active",
    MeetingState.ANNOUNCED: "ok",
}

INVITATION_LABELS = {
    None: _l("Not invited yet"),
    InvitationState.INVITED: _l("Invited"),
    InvitationState.ACCEPTED: _l("Accepted"),
    InvitationState.DECLINED: _l("Declined"),
}

OUTCOME_LABELS = {"passed": _l("Passed"), "not_passed": _l("Not passed")}


def show_meeting_state(state: MeetingState | str) -> str:
    """The name of a meeting's state in the user's language."""
    return str(_(seats.MEETING_STATE_LABELS[MeetingState(state)]))


def pdf(content: bytes, name: str) -> Response:
    """A PDF shown in the browser."""
    response = Response(content, mimetype="application/pdf")
    response.headers["Content-Disposition"] = f'inline; filename="{name}.pdf"'
    return response


def posted_ids(name: str) -> list[int]:
    """The numbers a form posted under a name; anything else is passed over."""
    texts = request.form.getlist(name)[:1000]
    return [int(t) for t in texts if t.isascii() and t.isdigit() and 0 < int(t) <= MAX_ID]


def find_row(model: type[Any], pk: int) -> Any:
    """A row by its number; 404 for a number there cannot be."""
    row = db.session.get(model, pk) if 0 < pk <= MAX_ID else None
    if row is None:
        abort(404)
    return row


class PlanForm(f.PortalForm):
    """A meeting to be planned."""

    committee_id = f.choice(_l("Review committee"), lambda: own_committees())
    held_on = f.day(_l("Day of the meeting"))
    place = f.text(_l("Place"), longest=120)
    panel_size = f.number(
        _l("Experts on the panel"),
        required=False,
        low=1,
        high=99,
        hint=_l("Odd. Left empty: the number of the filing."),
    )
    hides_identity = f.tick(
        _l("Experts read without name and unit"),
        hint=_l("Names, units, photos and files that show them stay hidden from the experts."),
    )
    extra_approval = f.text(
        _l("Approval of an extra batch"),
        longest=120,
        hint=_l("Only for a second meeting of the year: number of the province's letter."),
    )
    application_ids = f.several(_l("Applications on the list"), lambda: own_listable())


class DayForm(f.PortalForm):
    """The new day of a meeting."""

    held_on = f.day(_l("Day of the meeting"))


def own_committees() -> list[tuple[str, str]]:
    """The committees of the actor's unit."""
    actor = current_actor()
    rows = db.session.scalars(
        select(Committee)
        .where(Committee.convener_id == actor.unit_id, Committee.is_active)
        .order_by(Committee.name)
    )
    return [(str(row.id), row.name) for row in rows]


def own_listable() -> list[tuple[str, str]]:
    """Every application that could go on a list of the actor's committees."""
    year = latest_year()
    return [
        (str(a.id), f"{a.number} {a.person.name} · {a.employer.name} · {a.title_name}")
        for key, _name in own_committees()
        for a in meetings.listable_applications(int(key), year)
    ]


def latest_year() -> int:
    """The year of the newest plan with applications that wait, else of the newest plan."""
    waiting = db.session.scalar(
        select(func.max(Application.plan_year)).where(Application.submitted_at.is_not(None))
    )
    return int(waiting or db.session.scalar(select(func.max(EvaluationPlan.year))) or 0)


class MeetingView(RecordView):
    """评审会议."""

    route_base = "/meetings"
    datamodel = scoped(ReviewMeeting, "committee")
    exclude_route_methods = {*UNUSED, "add", "edit"}
    grants = {
        R.COMMITTEE_OFFICE: READ | PAPERS | {"can_office"},
        R.PROVINCE_HRSS: READ | PAPERS,
        R.SUPERVISOR: READ | PAPERS | {"can_witness"},
        R.CHAIR: READ | {"can_preside", "can_minutes"},
    }
    list_title = _l("Review meetings")
    list_template = "meetings/list.html"
    list_columns = ["committee", "plan_year", "batch", "held_on", "place", "state"]
    order_columns = ["held_on", "plan_year", "state"]
    search_columns = ["plan_year", "held_on"]
    base_order = ("held_on", "desc")
    label_columns = {
        "committee": _l("Review committee"),
        "plan_year": _l("Plan year"),
        "batch": _l("Batch"),
        "held_on": _l("Day of the meeting"),
        "place": _l("Place"),
        "state": _l("State"),
    }
    formatters_columns = {"state": show_meeting_state}
    record_template = "meetings/show.html"

    # ---- the record page

    def record_title(self, row: Any) -> str:
        return str(_("Review meeting of %(day)s", day=row.held_on.isoformat()))

    def facts(self, row: Any) -> list[tuple[Any, Any]]:
        present = meetings.attendance(row)
        return [
            (_("Review committee"), row.committee.name),
            (_("Plan year and batch"), f"{row.plan_year} / {row.batch}"),
            (_("Day of the meeting"), row.held_on.isoformat()),
            (_("Place"), row.place),
            (_("Approval of an extra batch"), row.extra_approval),
            (_("Experts on the panel"), row.panel_size),
            (
                _("Signed in"),
                _(
                    "%(count)s, a quorum needs %(needed)s",
                    count=present["signed_in"],
                    needed=present["needed"],
                ),
            ),
            (_("Identity of the applicants"), _("Hidden") if row.hides_identity else _("Shown")),
            (_("Hash of the minutes"), row.minutes_sha256),
        ]

    def page_actions(self, row: Any) -> list[dict[str, Any]]:
        actions: list[dict[str, Any]] = []
        if self.may("can_office"):
            actions += self._office_actions(row)
        if self.may("can_preside") and row.state in {MeetingState.CONVENED, MeetingState.OPEN}:
            actions.append(
                {"label": _("Preside"), "url": self.path("desk", row.id), "primary": True}
            )
        if self.may("can_record") and row.state is not MeetingState.PLANNED:
            primary = self.may("can_witness") and row.state is MeetingState.DRAWN
            actions.append(
                {"label": _("Draw record"), "url": self.path("record", row.id), "primary": primary}
            )
        if self.may("can_minutes") and row.state is MeetingState.ANNOUNCED:
            actions.append(
                {
                    "label": _("Minutes (PDF)"),
                    "url": self.path("minutes", row.id),
                    "icon": "printer",
                }
            )
        return actions

    def _office_actions(self, row: Any) -> list[dict[str, Any]]:
        draw = panels.draw_of(row.id)
        witnessed = draw is not None and draw.witnessed_at is not None
        steps = {
            MeetingState.PLANNED: [
                (
                    "draw",
                    _("Draw the experts"),
                    _("Draw the panel now? It can be drawn only once."),
                    "" if row.items else _("Put applications on the list first."),
                )
            ],
            MeetingState.DRAWN: [
                (
                    "invite",
                    _("Invite the experts"),
                    "",
                    "" if witnessed else _("The supervisor has not witnessed the draw yet."),
                ),
                ("convene", _("Convene"), _("Convene the meeting with this list?"), ""),
            ],
        }.get(row.state, [])
        actions: list[dict[str, Any]] = [
            {
                "label": label,
                "url": self.path(name, row.id),
                "method": "post",
                "confirm": confirm,
                "primary": True,
                "disabled_why": why,
            }
            for name, label, confirm, why in steps
        ]
        if row.state in {*meetings.BEFORE_CONVENING, MeetingState.CONVENED}:
            actions.append(
                {"label": _("Move to another day"), "url": self.path("reschedule", row.id)}
            )
        if row.state is MeetingState.ANNOUNCED:
            actions.append(
                {
                    "label": _("Results"),
                    "url": f"/results/meeting/{row.id}",
                    "primary": True,
                }
            )
        return actions

    def record_context(self, row: Any) -> dict[str, Any]:
        members = seats.members_of(row)
        late = {
            item.application.plan_line
            for item in row.items
            if is_ballot_late(item.application.plan_line, on=row.held_on)
        }
        return {
            "items": item_rows(row),
            "members": members,
            "accounts": accounts_by_person(members),
            "invitations": INVITATION_LABELS,
            "recused": recusal_rows(row),
            "numbers": {item.application_id: item.application.number for item in row.items},
            "candidates": (
                meetings.listable_applications(row.committee_id, row.plan_year)
                if self.may("can_office") and row.state in meetings.BEFORE_CONVENING
                else []
            ),
            "late_lines": [(line.number, latest_ballot_on(line)) for line in late],
            "may_office": self.may("can_office"),
            "before_opening": row.state in panels.BEFORE_OPENING,
            "before_convening": row.state in meetings.BEFORE_CONVENING,
            "state_kind": STATE_KINDS[row.state],
            "state_name": show_meeting_state(row.state),
            "PanelRole": PanelRole,
            "InvitationState": InvitationState,
            "outcomes": OUTCOME_LABELS,
        }

    # ---- the office

    @expose("/plan", methods=["GET", "POST"])
    @has_access
    @permission_name("office")
    def plan(self) -> Any:
        """Plan a meeting with a list of accepted applications (M1)."""
        form = PlanForm()

        def work() -> ReviewMeeting:
            chosen = [int(key) for key in form.application_ids.data or []]
            return meetings.create_meeting(
                int(form.committee_id.data),
                plan_year=latest_year(),
                held_on=form.held_on.data,
                place=form.place.data or "",
                application_ids=chosen,
                extra_approval=form.extra_approval.data or "",
                panel_size=form.panel_size.data or None,
                hides_identity=bool(form.hides_identity.data),
                actor=self.actor,
                now=clock.now(),
            )

        return self.answer_form(
            form,
            _("Plan a meeting"),
            work,
            lambda row: self.saved(_("The meeting is planned."), self.path("show", row.id)),
            lead=_("The filing of the committee must be valid on that day; one meeting a year."),
            submit_label=_("Plan the meeting"),
            note=(
                ""
                if own_listable()
                else _(
                    "No application waits for a meeting: accept some in the policy review first."
                )
            ),
        )

    @expose("/put/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("office")
    def put(self, pk: int) -> Any:
        """Put more applications on the list."""
        return self._do(
            pk,
            lambda row: meetings.put_on_list(
                row.id, posted_ids("application_ids"), actor=self.actor, now=clock.now()
            ),
            _("The list has been extended."),
        )

    @expose("/take_off/<int:item_id>", methods=["POST"])
    @has_access
    @permission_name("office")
    def take_off(self, item_id: int) -> Any:
        """Take an application off the list."""
        item = find_row(MeetingItem, item_id)
        return self._do(
            item.meeting_id,
            lambda _row: meetings.take_off_list(item.id, actor=self.actor, now=clock.now()),
            _("The application is off the list."),
        )

    @expose("/reschedule/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("office")
    def reschedule(self, pk: int) -> Any:
        """Move the meeting to another day."""
        row = self._readable(str(pk))
        form = DayForm(held_on=row.held_on)
        return self.answer_form(
            form,
            _("Move to another day"),
            lambda: meetings.reschedule_meeting(
                row.id, form.held_on.data, actor=self.actor, now=clock.now()
            ),
            lambda done: self.saved(_("The meeting has been moved."), self.path("show", done.id)),
            back=self.path("show", row.id),
        )

    @expose("/draw/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("office")
    def draw(self, pk: int) -> Any:
        """Draw the panel (M2)."""
        return self._do(
            pk,
            lambda row: panels.draw_panel(row.id, actor=self.actor, now=clock.now()),
            _("The experts have been drawn. The supervisor now witnesses the draw."),
        )

    @expose("/invite/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("office")
    def invite(self, pk: int) -> Any:
        """Send the invitations (M3)."""
        return self._do(
            pk,
            lambda row: panels.invite(row.id, actor=self.actor, now=clock.now()),
            _("The experts have been invited."),
        )

    @expose("/answer/<int:member_id>", methods=["POST"])
    @has_access
    @permission_name("office")
    def answer(self, member_id: int) -> Any:
        """Note an answer an expert gave by telephone."""
        member = find_row(PanelMember, member_id)
        accepts = request.form.get("accepts") == "1"
        return self._do(
            member.meeting_id,
            lambda _row: panels.answer_invitation(
                member.id,
                accepts=accepts,
                reason=request.form.get("reason", "")[:500],
                actor=self.actor,
                now=clock.now(),
            ),
            _("The answer has been noted."),
        )

    @expose("/recusal/<int:member_id>", methods=["POST"])
    @has_access
    @permission_name("office")
    def recusal(self, member_id: int) -> Any:
        """Order a recusal (R67)."""
        member = find_row(PanelMember, member_id)
        self._readable(str(member.meeting_id))
        chosen = posted_ids("application_id")
        if not chosen:
            abort(400)
        return self._do(
            member.meeting_id,
            lambda _row: recusals.order_recusal(
                member.id,
                chosen[0],
                request.form.get("reason", "")[:500],
                actor=self.actor,
                now=clock.now(),
            ),
            _("The recusal has been ordered."),
        )

    @expose("/convene/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("office")
    def convene(self, pk: int) -> Any:
        """Convene the meeting; its applications go to expert review."""
        return self._do(
            pk,
            lambda row: meetings.convene_meeting(row.id, actor=self.actor, now=clock.now()),
            _("The meeting is convened; the experts can read the applications."),
        )

    # ---- the supervisor

    @expose("/record/<int:pk>", methods=["GET"])
    @has_access
    def record(self, pk: int) -> Any:
        """The record of the draw: seed, hash, who was left out and why, who was drawn."""
        row = self._readable(str(pk))
        draw = panels.draw_of(row.id)
        if draw is None:
            abort(404)
        experts = experts_by_id(
            [*draw.named, *draw.candidates, *(e["expert"] for e in draw.excluded)]
        )
        return self.render_template(
            "meetings/record.html",
            title=_("Draw record"),
            row=row,
            draw=draw,
            experts=experts,
            repeats=panels.repeat_draw(draw),
            witness=db.session.get(Account, draw.witnessed_by_id) if draw.witnessed_by_id else None,
            may_witness=self.may("can_witness") and draw.witnessed_at is None,
        )

    @expose("/witness/<int:pk>", methods=["POST"])
    @has_access
    def witness(self, pk: int) -> Any:
        """Confirm having watched the draw."""
        return self._do(
            pk,
            lambda row: panels.witness_draw(row.id, actor=self.actor, now=clock.now()),
            _("The draw is witnessed."),
            to="record",
        )

    # ---- the chair

    @expose("/desk/<int:pk>", methods=["GET"])
    @has_access
    @permission_name("preside")
    def desk(self, pk: int) -> Any:
        """The chair's desk: who is present, and the ballots one by one."""
        row = self._readable(str(pk))
        seat = seats.seat_of(row, self.actor)
        if seat is None or seat.role not in seats.OFFICERS:
            abort(404)
        return self.render_template(
            "meetings/desk.html",
            title=_("Preside over the meeting"),
            row=row,
            seat=seat,
            panel=seats.panel_of(row),
            attendance=meetings.attendance(row),
            items=item_rows(row),
            state_kind=STATE_KINDS[row.state],
            state_name=show_meeting_state(row.state),
            outcomes=OUTCOME_LABELS,
            MeetingState=MeetingState,
        )

    @expose("/open/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("preside")
    def open_(self, pk: int) -> Any:
        """Open the meeting (M5)."""
        return self._preside(
            pk,
            lambda row: meetings.open_meeting(row.id, actor=self.actor, now=clock.now()),
            _("The meeting is open."),
        )

    @expose("/open_ballot/<int:item_id>", methods=["POST"])
    @has_access
    @permission_name("preside")
    def open_ballot(self, item_id: int) -> Any:
        """Open the ballot on one applicant (M7)."""
        item = find_row(MeetingItem, item_id)
        return self._preside(
            item.meeting_id,
            lambda _row: ballots.open_ballot(item.id, actor=self.actor, now=clock.now()),
            _("The ballot is open."),
        )

    @expose("/close_ballot/<int:item_id>", methods=["POST"])
    @has_access
    @permission_name("preside")
    def close_ballot(self, item_id: int) -> Any:
        """Close and count the ballot on one applicant (M8)."""
        item = find_row(MeetingItem, item_id)
        return self._preside(
            item.meeting_id,
            lambda _row: ballots.close_ballot(
                item.id,
                marks_not_cast=request.form.get("marks_not_cast") == "1",
                actor=self.actor,
                now=clock.now(),
            ),
            _("The ballot is closed and counted."),
        )

    @expose("/close/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("preside")
    def close(self, pk: int) -> Any:
        """Close the meeting."""
        return self._preside(
            pk,
            lambda row: meetings.close_meeting(row.id, actor=self.actor, now=clock.now()),
            _("The meeting is closed. Announce the result now."),
        )

    @expose("/announce/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("preside")
    def announce(self, pk: int) -> Any:
        """Announce the result; the minutes are frozen (M9)."""
        return self._preside(
            pk,
            lambda row: meetings.announce_meeting(row.id, actor=self.actor, now=clock.now()),
            _("The result is announced and the minutes are written."),
        )

    @expose("/minutes/<int:pk>", methods=["GET"])
    @has_access
    def minutes(self, pk: int) -> Any:
        """The minutes as PDF."""
        row = self._readable(str(pk))
        return pdf(minutes.minutes_pdf(row), f"minutes-{row.id}")

    # ---- one way to do things

    def _do(self, pk: int, work: Callable[[Any], object], message: Any, *, to: str = "show") -> Any:
        row = self._readable(str(pk)) if 0 < pk <= MAX_ID else abort(404)
        return self.perform(lambda: work(row), message, self.path(to, row.id))

    def _preside(self, pk: int, work: Callable[[Any], object], message: Any) -> Any:
        return self._do(pk, work, message, to="desk")


def item_rows(meeting: ReviewMeeting) -> list[dict[str, Any]]:
    """What a page shows of each item; the counts only when they tell nobody's vote (D5)."""
    rows = []
    for item in meetings.fresh_items(meeting):
        hall = ballots.hall_of(item)
        rows.append(
            {
                "item": item,
                "application": item.application,
                "locked": panels.count_locked_opinions(meeting.id, item.application_id),
                "hall": hall,
                "cast": ballots.count_casts(item),
                "tally": ballots.shown_tally(item),
            }
        )
    return rows


def recusal_rows(meeting: ReviewMeeting) -> dict[int, list[Recusal]]:
    """The recusals of a meeting by member."""
    found: dict[int, list[Recusal]] = {}
    ids = [member.id for member in meeting.members]
    for row in db.session.scalars(select(Recusal).where(Recusal.member_id.in_(ids))):
        found.setdefault(row.member_id, []).append(row)
    return found


def accounts_by_person(members: list[PanelMember]) -> dict[int, bool]:
    """Whether each expert has an account to be invited by."""
    people = [member.expert.person_id for member in members]
    known = set(db.session.scalars(select(Account.person_id).where(Account.person_id.in_(people))))
    return {person: person in known for person in people}


def experts_by_id(ids: list[int]) -> dict[int, Expert]:
    """Experts with person and unit, by number."""
    rows = db.session.scalars(
        select(Expert)
        .where(Expert.id.in_(ids))
        .options(joinedload(Expert.person), joinedload(Expert.unit))
    )
    return {row.id: row for row in rows}


def meeting_in_scope(pk: int, actor: Any) -> ReviewMeeting:
    """A meeting the actor reads; 404 otherwise."""
    row = (
        db.session.scalar(
            select(ReviewMeeting).where(
                ReviewMeeting.id == pk, read_criterion(ReviewMeeting, actor)
            )
        )
        if 0 < pk <= MAX_ID
        else None
    )
    if row is None:
        say_not_shown(ReviewMeeting, pk)
        abort(404)
    return row


def back_to(target: str, message: Any, kind: str = "success") -> Any:
    """Say something and go on."""
    flash(str(message), kind)
    return redirect(target, 303)


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(
        appbuilder,
        MeetingView,
        "Review meetings",
        label=_l("Review meetings"),
        category="review",
        icon="gavel",
    )
