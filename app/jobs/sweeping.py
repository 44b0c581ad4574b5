"""The periodic jobs: a sweep by name, outbox, reminders, milestone watch, anchor of the audit
log."""

from __future__ import annotations

from collections.abc import Callable

from flask import current_app

from app import clock, settling
from app.extensions import db, unit_of_work
from app.models import JobRun
from app.services import (
    account_sampling,
    dormancy,
    milestones,
    notifications,
    reminders,
    second_signatures,
    transfers,
    unit_moves,
)


def sweep(name: str) -> dict[str, int]:
    """Settle what one sweep finds due now."""
    return _logged(name, lambda: settling.run_sweep(name))


def settle_transfers() -> dict[str, int]:
    """Pass transfer requests without an answer on to the HRSS department."""
    return _logged("transfers", lambda: settling.run_once(transfers.settle_due))


def expire_unit_moves() -> dict[str, int]:
    """End requests to move a unit that nobody has answered in time."""
    return _logged("unit_moves", lambda: settling.run_once(unit_moves.expire_due))


def expire_signatures() -> dict[str, int]:
    """Close requests for a second signature nobody has decided in time."""
    return _logged("signatures", lambda: settling.run_once(second_signatures.expire_due))


def flag_unusual_accounts() -> dict[str, int]:
    """Flag units that have created unusually many accounts."""
    return _logged("unusual_accounts", lambda: settling.run_once(account_sampling.flag_unusual))


def suspend_dormant() -> dict[str, int]:
    """Suspend staff accounts nobody has used for long; on the real clock."""

    def work() -> tuple[int, int]:
        return settling.run_once(dormancy.suspend_dormant, now=clock.real_now())

    return _logged("dormancy", work)


def deliver() -> dict[str, int]:
    """Deliver the outbox."""
    return _logged("outbox", lambda: settling.run_once(notifications.deliver_outbox))


def remind() -> dict[str, int]:
    """Send the reminders due now."""
    return _logged("reminders", lambda: settling.run_once(reminders.remind))


def watch_milestones() -> dict[str, int]:
    """Warn convening units and the province of milestones that will be missed."""
    return _logged("milestones", lambda: settling.run_once(milestones.watch))


def anchor_audit() -> dict[str, int]:
    """Write the signed head of the audit log outside the database."""
    return _logged("audit_head", settling.anchor_audit)


def _logged(name: str, work: Callable[[], tuple[int, int]]) -> dict[str, int]:
    """Run `work` in a fresh application context and keep a JobRun of what it did."""
    with current_app._get_current_object().app_context():  # type: ignore[attr-defined]
        started, business = clock.real_now(), clock.now()
        error = ""
        found = changed = 0
        try:
            found, changed = work()
        except Exception as problem:
            error = type(problem).__name__
            raise
        finally:
            if changed or error:
                db.session.rollback()
                with unit_of_work() as session:
                    session.add(
                        JobRun(
                            job=name,
                            business_at=business,
                            started_at=started,
                            finished_at=clock.real_now(),
                            found=found,
                            changed=changed,
                            error=error,
                        )
                    )
        return {"found": found, "changed": changed}
