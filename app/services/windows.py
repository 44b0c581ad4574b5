"""Plan lines as the domain sees them."""

from __future__ import annotations

from app.domain.plan import PlanWindow
from app.models import PlanLine
from app.services.settings import parameter


def window_of(line: PlanLine) -> PlanWindow:
    """The four milestones of a plan line; named by its printed series in messages."""
    return PlanWindow(
        line=line.series_text,
        opens_at=line.applications_open_at,
        closes_at=line.applications_close_at,
        receipt_due_at=line.receipt_due_at,
        policy_review_due_on=line.policy_review_due_on,
        online_review_due_on=line.online_review_due_on,
        call_lead_days=int(parameter("call_days_before_window")),
    )
