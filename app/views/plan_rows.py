"""A plan as the timeline picture wants it."""

from __future__ import annotations

from typing import Any

from app.models import EvaluationPlan


def plan_rows(plan: EvaluationPlan | None) -> list[dict[str, Any]]:
    """One row a plan line with its milestones, for the macro `plan_timeline`."""
    return [
        {
            "number": line.number,
            "label": line.series_text,
            "opens_at": line.applications_open_at,
            "closes_at": line.applications_close_at,
            "receipt_due_at": line.receipt_due_at,
            "policy_review_due_on": line.policy_review_due_on,
            "online_review_due_on": line.online_review_due_on,
        }
        for line in (plan.lines if plan else [])
    ]
