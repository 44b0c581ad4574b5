"""专家评审: the experts' reading room, from the invitation to the ballot (ui.md 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app import clock
from app.domain.errors import DomainError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import InvitationState, MeetingState, RecusalGround
from app.domain.workflow import ActorRole as R
from app.extensions import db, unit_of_work
from app.messages import explain
from app.models import Expert, Material, MeetingItem, PanelMember, Recusal, ReviewMeeting
from app.security.actors import current_actor
from app.security.refusals import say_not_shown
from app.security.scope import read_criterion
from app.services import ballots, meetings, minutes, panels, reading, recusals, seats
from app.services.actors import Actor
from app.views.applicant_forms import say
from app.views.base import ALL, PortalView
from app.views.meetings import (
    MAX_ID,
    OUTCOME_LABELS,
    STATE_KINDS,
    meeting_in_scope,
    pdf,
    show_meeting_state,
)
from app.views.menu import add_screen

OPINION_LABELS = {
    "none": (_l("No opinion yet"), "not_started"),
    "draft": (_l("Draft"), "in_progress"),
    "locked": (_l("Locked"), "done"),
    "recused": (_l("Recused"), "cannot_start"),
}


class ExpertView(PortalView):
    """评审专家的阅览室."""

    route_base = "/expert"
    default_view = "home"
    class_permission_name = "Reading room"
    grants = dict.fromkeys((R.EXPERT, R.CHAIR), ALL)

    # ---- where I am invited

    @expose("/")
    @has_access
    def home(self) -> Any:
        """My invitations and meetings, the next one first."""
        actor = current_actor()
        rows = db.session.scalars(
            select(PanelMember)
            .join(Expert, Expert.id == PanelMember.expert_id)
            .join(ReviewMeeting, ReviewMeeting.id == PanelMember.meeting_id)
            .where(Expert.person_id == actor.person_id, PanelMember.invitation.is_not(None))
            .order_by(ReviewMeeting.held_on.desc(), ReviewMeeting.id.desc())
        ).all()
        return self.render_template(
            "expert/home.html",
            title=_("Reading room"),
            seats=rows,
            kinds=STATE_KINDS,
            state_name=show_meeting_state,
            InvitationState=InvitationState,
        )

    @expose("/meeting/<int:meeting_id>")
    @has_access
    def meeting(self, meeting_id: int) -> Any:
        """My seat at one meeting: answer, pledge, sign in; then the applications."""
        actor = current_actor()
        row, seat = _my_seat(meeting_id, actor)
        reads = row.state not in {MeetingState.PLANNED, MeetingState.DRAWN} and (
            seat.pledged_at is not None and seat.invitation is InvitationState.ACCEPTED
        )
        return self.render_template(
            "expert/meeting.html",
            title=_("Review meeting of %(day)s", day=row.held_on.isoformat()),
            row=row,
            seat=seat,
            reads=reads,
            today=clock.today(),
            items=_items(row, seat) if reads else [],
            articles=[_(article) for article in panels.PLEDGE],
            state_kind=STATE_KINDS[row.state],
            state_name=show_meeting_state(row.state),
            presides=seat.role in seats.OFFICERS and actor.has_role(R.CHAIR),
            opinion_labels=OPINION_LABELS,
            outcomes=OUTCOME_LABELS,
            InvitationState=InvitationState,
            MeetingState=MeetingState,
        )

    @expose("/answer/<int:member_id>", methods=["POST"])
    @has_access
    def answer(self, member_id: int) -> Any:
        """Accept or decline my invitation (M3)."""
        accepts = request.form.get("accepts") == "1"
        return self._act(
            member_id,
            lambda member, actor: panels.answer_invitation(
                member.id,
                accepts=accepts,
                reason=request.form.get("reason", "")[:500],
                actor=actor,
                now=clock.now(),
            ),
            _("You have accepted. Sign the pledge next.")
            if accepts
            else _("You have declined. Thank you for telling us."),
        )

    @expose("/pledge/<int:member_id>", methods=["POST"])
    @has_access
    def pledge(self, member_id: int) -> Any:
        """Sign the discipline pledge (M4)."""

        def work(member: PanelMember, actor: Actor) -> None:
            if request.form.get("agreed") != "1":
                raise RuleViolation(N_("Tick that you agree to the pledge, then sign it."))
            panels.pledge(member.id, actor=actor, now=clock.now())

        return self._act(member_id, work, _("The pledge is signed."))

    @expose("/pledge_sheet/<int:member_id>")
    @has_access
    def pledge_sheet(self, member_id: int) -> Any:
        """My pledge as PDF."""
        member = _my_member(member_id, current_actor())
        return pdf(minutes.pledge_pdf(member), f"pledge-{member.id}")

    @expose("/sign_in/<int:member_id>", methods=["POST"])
    @has_access
    def sign_in(self, member_id: int) -> Any:
        """Sign in to the meeting: from now on I am present (M4)."""
        return self._act(
            member_id,
            lambda member, actor: panels.sign_in(member.id, actor=actor, now=clock.now()),
            _("You have signed in."),
        )

    # ---- one application

    @expose("/application/<int:meeting_id>/<int:application_id>")
    @has_access
    def application(self, meeting_id: int, application_id: int) -> Any:
        """One application to read, with my opinion and score."""
        return self._show_application(meeting_id, application_id)

    def _show_application(
        self,
        meeting_id: int,
        application_id: int,
        *,
        error: str = "",
        typed: dict[str, str] | None = None,
        status: int = 200,
    ) -> Any:
        actor = current_actor()
        row, seat = _my_seat(meeting_id, actor)
        item = panels.require_reader(seat, application_id, actor)
        opinion = panels.opinion_of(seat.id, application_id)
        page = self.render_template(
            "expert/application.html",
            title=reading.heading(item),
            row=row,
            seat=seat,
            item=item,
            sections=reading.sections(item),
            files=_files(item, actor),
            say=say,
            opinion=opinion,
            typed=typed
            or {
                "opinion": opinion.opinion if opinion else "",
                "score": "" if opinion is None or opinion.score is None else str(opinion.score),
            },
            error=error,
            is_locked=opinion is not None and opinion.locked_at is not None,
            may_write=item.ballot_opened_at is None
            and row.state in {MeetingState.CONVENED, MeetingState.OPEN},
            grounds=[(g.value, _(recusals.GROUND_LABELS[g])) for g in RecusalGround],
            longest=panels.LONGEST_OPINION,
        )
        return page, status

    @expose("/opinion/<int:meeting_id>/<int:application_id>", methods=["POST"])
    @has_access
    def opinion(self, meeting_id: int, application_id: int) -> Any:
        """Save my draft, or save and lock it (M6)."""
        actor = current_actor()
        _row, seat = _my_seat(meeting_id, actor)
        typed = {name: request.form.get(name, "").strip() for name in ("opinion", "score")}
        locks = request.form.get("then") == "lock"
        try:
            with unit_of_work():
                panels.save_opinion(
                    seat.id,
                    application_id,
                    opinion=_clean(typed["opinion"]),
                    score=_score(typed["score"]),
                    actor=actor,
                    now=clock.now(),
                    expected_version=_version(),
                )
                if locks:
                    panels.lock_opinion(seat.id, application_id, actor=actor, now=clock.now())
        except NotPermittedError:
            raise
        except DomainError as error:
            return self._show_application(
                meeting_id,
                application_id,
                error=explain(error),
                typed=typed,
                status=error.http_status,
            )
        flash(
            _("The opinion is locked.")
            if locks
            else _("Saved at %(time)s.", time=clock.now().strftime("%H:%M")),
            "success",
        )
        target = "ExpertView.meeting" if locks else "ExpertView.application"
        more: dict[str, Any] = {} if locks else {"application_id": application_id}
        return redirect(url_for(target, meeting_id=meeting_id, **more), 303)

    @expose("/recuse/<int:meeting_id>/<int:application_id>", methods=["POST"])
    @has_access
    def recuse(self, meeting_id: int, application_id: int) -> Any:
        """Leave one application, with the ground (R67)."""
        actor = current_actor()
        _row, seat = _my_seat(meeting_id, actor)
        if application_id > MAX_ID:
            abort(404)
        ground = request.form.get("ground", "")
        known = {g.value: str(_(recusals.GROUND_LABELS[g])) for g in RecusalGround}
        words = [known.get(ground, ""), request.form.get("reason", "").strip()]
        return self._act(
            seat.id,
            lambda member, who: recusals.recuse(
                member.id,
                application_id,
                _clean("：".join(word for word in words if word)),
                actor=who,
                now=clock.now(),
            ),
            _("You are recused for this applicant."),
        )

    # ---- the ballot

    @expose("/ballot/<int:item_id>", methods=["GET", "POST"])
    @has_access
    def ballot(self, item_id: int) -> Any:
        """The ballot on one applicant: who is present, never who voted how (M7, D5)."""
        actor = current_actor()
        item = db.session.get(MeetingItem, item_id) if item_id <= MAX_ID else None
        if item is None:
            abort(404)
        row, seat = _my_seat(item.meeting_id, actor)
        if request.method == "POST":
            return self._cast(item, seat, actor)
        panels.require_reader(seat, item.application_id, actor)
        return self.render_template(
            "expert/ballot.html",
            title=_("Ballot"),
            row=row,
            item=item,
            heading=reading.heading(item),
            hall=ballots.hall_of(item),
            cast=ballots.count_casts(item),
            tally=ballots.shown_tally(item),
            has_voted=ballots.has_voted(seat.id, item.application_id),
            is_voter=seat.id in {member.id for member in ballots.hall_of(item).voters},
            opinions=minutes.opinions_of(item) if row.state is not MeetingState.CONVENED else [],
            outcomes=OUTCOME_LABELS,
        )

    def _cast(self, item: MeetingItem, seat: PanelMember, actor: Actor) -> Any:
        application_id = item.application_id
        target = url_for("ExpertView.ballot", item_id=item.id)
        try:
            with unit_of_work():
                ballots.cast_ballot(
                    seat.id,
                    application_id,
                    request.form.get("choice", ""),
                    actor=actor,
                    now=clock.now(),
                )
        except NotPermittedError:
            raise
        except DomainError as error:
            flash(explain(error), "danger")
        else:
            flash(_("Your ballot is in the box."), "success")
        return redirect(target, 303)

    # ---- one way to act

    def _act(
        self, member_id: int, work: Callable[[PanelMember, Actor], object], message: str
    ) -> Any:
        actor = current_actor()
        member = _my_member(member_id, actor)
        target = url_for("ExpertView.meeting", meeting_id=member.meeting_id)
        try:
            with unit_of_work():
                work(member, actor)
        except NotPermittedError:
            raise
        except DomainError as error:
            flash(explain(error), "danger")
        else:
            flash(message, "success")
        return redirect(target, 303)


def _my_member(member_id: int, actor: Actor) -> PanelMember:
    """My own row of a panel; 404 for another's."""
    member = db.session.get(PanelMember, member_id) if member_id <= MAX_ID else None
    if (
        member is None
        or actor.person_id is None
        or member.expert.person_id != actor.person_id
        or member.invitation is None
    ):
        say_not_shown(PanelMember, member_id)
        abort(404)
    return member


def _my_seat(meeting_id: int, actor: Actor) -> tuple[ReviewMeeting, PanelMember]:
    """A meeting I am invited to and my row of its panel; 404 otherwise."""
    row = meeting_in_scope(meeting_id, actor)
    seat = seats.seat_of(row, actor)
    if seat is None or seat.invitation is None:
        say_not_shown(ReviewMeeting, meeting_id)
        abort(404)
    return row, seat


def _items(row: ReviewMeeting, seat: PanelMember) -> list[dict[str, Any]]:
    gone = set(
        db.session.scalars(select(Recusal.application_id).where(Recusal.member_id == seat.id))
    )
    rows = []
    for item in meetings.fresh_items(row):
        opinion = panels.opinion_of(seat.id, item.application_id)
        state = "none"
        if item.application_id in gone:
            state = "recused"
        elif opinion is not None:
            state = "locked" if opinion.locked_at else "draft"
        rows.append(
            {
                "item": item,
                "heading": reading.heading(item),
                "subheading": reading.subheading(item),
                "state": state,
                "has_voted": ballots.has_voted(seat.id, item.application_id),
            }
        )
    return rows


def _files(item: MeetingItem, actor: Actor) -> list[Any]:
    """(what it proves, [(file name, number)]) of the files this expert may open."""
    rows = db.session.scalars(
        select(Material)
        .where(
            Material.application_id == item.application_id,
            Material.removed_in_version.is_(None),
            read_criterion(Material, actor),
        )
        .order_by(Material.requirement_code, Material.id)
    )
    return reading.group_files(item, rows)


def _clean(text: str) -> str:
    """The text as the box counts it: browsers send each line break as two characters."""
    return text.replace("\0", "").replace("\r\n", "\n")


def _score(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        raise RuleViolation(N_("A score lies between 0 and 100. Correct it."))
    return int(text)


def _version() -> int:
    text = request.form.get("expected_version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(
        appbuilder,
        ExpertView,
        "Reading room",
        label=_l("Reading room"),
        category="review",
        href="ExpertView.home",
        icon="eye",
    )
