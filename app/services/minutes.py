"""会议纪要: what a meeting decided, frozen at its announcement with a hash (R65, M9); and the
experts' pledge.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.domain.errors import ConflictError
from app.domain.messages import N_
from app.domain.review import quorum
from app.domain.terms import MeetingState, Outcome, PanelRole
from app.extensions import db
from app.models import Account, ExpertReview, MeetingItem, PanelMember, ReviewMeeting
from app.services.ballots import shown_tally
from app.services.certificates import chinese_date
from app.services.documents import render_pdf
from app.services.panels import draw_of
from app.services.seats import panel_of

ROLE_NAMES = {
    PanelRole.CHAIR: "主任委员",
    PanelRole.VICE_CHAIR: "副主任委员",
    PanelRole.MEMBER: "委员",
    PanelRole.RESERVE: "候补",
}
"""Words of a Chinese document; the screens translate theirs."""

PLEDGE_ARTICLES = (
    "严格按照公布的评审条件，独立、客观、公正、认真地评审。",
    "与申报人有利害关系的，主动申请回避。",
    "不泄露申报材料、评议意见、表决情况和评审专家名单。",
    "不接受任何有关人员的请托、礼品、礼金和宴请。",
    "不复制、留存、传播任何评审材料。",
    "如有违反，自愿接受取消评审专家资格、通报和记入诚信档案等处理。",
)


def freeze_minutes(meeting: ReviewMeeting, *, now: datetime) -> None:
    """Write the minutes of a closed meeting once: content and hash never change afterwards."""
    content = _describe(meeting, now)
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    meeting.minutes = content
    meeting.minutes_sha256 = hashlib.sha256(text.encode()).hexdigest()


def are_minutes_intact(meeting: ReviewMeeting) -> bool:
    """Whether the stored minutes still have the hash of their announcement."""
    text = json.dumps(meeting.minutes, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest() == meeting.minutes_sha256


def minutes_pdf(meeting: ReviewMeeting) -> bytes:
    """The minutes of an announced meeting as PDF, with their hash."""
    if meeting.state is not MeetingState.ANNOUNCED or not meeting.minutes:
        raise ConflictError(N_("The minutes are written when the chair announces the result."))
    return render_pdf("minutes", {**meeting.minutes, "content_hash": meeting.minutes_sha256})


def _describe(meeting: ReviewMeeting, now: datetime) -> dict[str, Any]:
    panel = panel_of(meeting)
    present = [member for member in panel if member.signed_in_at is not None]
    chair = next((m for m in present if _presided(m, meeting)), None)
    return {
        "committee_name": meeting.committee.name,
        "plan_year": str(meeting.plan_year),
        "batch": meeting.batch,
        "held_on": meeting.held_on.isoformat(),
        "place": meeting.place,
        "opened_at": _instant(meeting.opened_at),
        "closed_at": _instant(meeting.closed_at),
        "chair": chair.expert.person.name if chair else "",
        "convener": meeting.committee.convener.name,
        "size": meeting.panel_size,
        "signed_in": len(present),
        "quorum": quorum(meeting.panel_size),
        "members": [_member(number, member) for number, member in enumerate(present, start=1)],
        "draw": _draw(meeting),
        "items": [_item(item) for item in meeting.items],
        "announced_on": chinese_date(now.date()),
    }


def _presided(member: PanelMember, meeting: ReviewMeeting) -> bool:
    account = db.session.get(Account, meeting.opened_by_id) if meeting.opened_by_id else None
    return account is not None and account.person_id == member.expert.person_id


def _member(number: int, member: PanelMember) -> dict[str, Any]:
    expert = member.expert
    return {
        "position": number,
        "name": expert.person.name,
        "role": ROLE_NAMES[member.role],
        "unit": expert.unit.name,
        "title": expert.title_name,
        "signed_in_at": _instant(member.signed_in_at),
    }


def _draw(meeting: ReviewMeeting) -> dict[str, Any]:
    draw = draw_of(meeting.id)
    if draw is None:
        raise ConflictError(N_("There is no draw on file for this meeting."))
    witness = db.session.get(Account, draw.witnessed_by_id) if draw.witnessed_by_id else None
    return {
        "drawn_at": _instant(draw.drawn_at),
        "witness": witness.first_name if witness else "",
        "witnessed_at": _instant(draw.witnessed_at),
        "algorithm": draw.algorithm,
        "seed": draw.seed,
        "candidates_hash": draw.candidates_hash,
        "candidates": len(draw.candidates),
        "drawn": len(draw.drawn),
        "reserves": len(draw.reserves),
        "named": len(draw.named),
        "excluded": len(draw.excluded),
    }


def _item(item: MeetingItem) -> dict[str, Any]:
    application = item.application
    tally = shown_tally(item)
    outcomes = {Outcome.PASSED: "通过", Outcome.NOT_PASSED: "未通过", None: "待议"}
    return {
        "position": item.position,
        "name": application.person.name,
        "unit": application.employer.name,
        "title": application.title_name,
        "present": item.present,
        "recused": item.recused,
        "yes": tally.yes if tally else None,
        "no": tally.no if tally else None,
        "abstain": tally.abstain if tally else None,
        "not_cast": tally.not_cast if tally else None,
        "outcome": outcomes[item.outcome],
        "opinions": opinions_of(item),
    }


def opinions_of(item: MeetingItem) -> list[str]:
    """The locked opinions on an applicant with their scores, without names, in an order that
    names nobody.
    """
    rows = db.session.execute(
        select(ExpertReview.opinion, ExpertReview.score)
        .join(PanelMember, PanelMember.id == ExpertReview.member_id)
        .where(
            PanelMember.meeting_id == item.meeting_id,
            ExpertReview.application_id == item.application_id,
            ExpertReview.locked_at.is_not(None),
        )
    )
    return sorted(f"{opinion}（{score}分）" for opinion, score in rows)


def pledge_pdf(member: PanelMember) -> bytes:
    """The expert's discipline pledge (评审专家纪律承诺书, R79)."""
    meeting = member.meeting
    return render_pdf(
        "pledge",
        {
            "committee_name": meeting.committee.name,
            "plan_year": str(meeting.plan_year),
            "held_on": meeting.held_on.isoformat(),
            "articles": PLEDGE_ARTICLES,
            "expert_name": member.expert.person.name,
            "expert_unit": member.expert.unit.name,
            "pledged_at": _instant(member.pledged_at),
        },
    )


def _instant(value: datetime | None) -> str:
    return value.strftime("%Y-%m-%d %H:%M") if value else ""
