"""The periodic jobs: a sweep by name, other work by name, the anchor of the audit log."""

from __future__ import annotations

from collections.abc import Callable

from flask import current_app

from app import clock, settling
from app.extensions import db, unit_of_work
from app.models import JobRun


def sweep(name: str) -> dict[str, int]:
    """Settle what one sweep finds due now."""
    return _logged(name, lambda: settling.run_sweep(name))


def work(name: str) -> dict[str, int]:
    """Do one piece of the other periodic work."""
    return _logged(name, lambda: settling.run_work(name))


def deliver() -> dict[str, int]:
    """Deliver the outbox: what a commit that owes messages asks for."""
    return work("outbox")


def anchor_audit() -> dict[str, int]:
    """Write the signed head of the audit log outside the database."""
    return _logged("audit_head", settling.anchor_audit)


def tend_custom_indexes() -> dict[str, int]:
    """Let the indexes of custom fields follow the published definitions."""
    return _logged("custom_indexes", settling.tend_custom_indexes)


def _logged(name: str, act: Callable[[], tuple[int, int]]) -> dict[str, int]:
    """Run `act` in a fresh application context and keep a JobRun of what it did."""
    with current_app._get_current_object().app_context():  # type: ignore[attr-defined]
        started, business = clock.real_now(), clock.now()
        error = ""
        found = changed = 0
        try:
            found, changed = act()
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
