"""The periodic jobs: a sweep by name, the outbox, the reminders, the milestone watch."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask import current_app

from app import clock
from app.domain.errors import DomainError
from app.extensions import db, unit_of_work
from app.models import JobRun
from app.services import milestones, notifications, reminders, sweeps

log = logging.getLogger(__name__)


def sweep(name: str) -> dict[str, int]:
    """Settle what one sweep finds due now."""
    return _logged(name, lambda: run_sweep(name))


def deliver() -> dict[str, int]:
    """Deliver the outbox."""
    return _logged("outbox", lambda: _once(notifications.deliver_outbox))


def remind() -> dict[str, int]:
    """Send the reminders due now."""
    return _logged("reminders", lambda: _once(reminders.remind))


def watch_milestones() -> dict[str, int]:
    """Warn convening units and the province of milestones that will be missed."""
    return _logged("milestones", lambda: _once(milestones.watch))


def run_sweep(name: str) -> tuple[int, int]:
    """(found, changed) of one sweep, each application in a transaction of its own."""
    found = changed = 0
    failed: list[int] = []
    while True:
        now = clock.now()
        ids = sweeps.find_due(name, now=now, skip=failed)
        found += len(ids)
        for application_id in ids:
            done = settle(application_id)
            changed += bool(done)
            if not done:
                failed.append(application_id)
        if len(ids) < sweeps.BATCH:
            return found, changed


def settle(application_id: int) -> list[str]:
    """Settle one application in its own transaction; what it refuses is logged and left as it
    is."""
    try:
        with unit_of_work():
            return sweeps.settle_application(application_id, now=clock.now())
    except DomainError as error:
        log.error("application %s cannot be settled: %s", application_id, error.code)  # noqa: TRY400 -- a rule, no traceback
        return []


def run_everything() -> dict[str, tuple[int, int]]:
    """All periodic work at once, without Redis: `./portal sweep` and the rehearsal clock."""
    ran = {name: run_sweep(name) for name in sweeps.FINDERS}
    ran["outbox"] = _once(notifications.deliver_outbox)
    ran["reminders"] = _once(reminders.remind)
    ran["milestones"] = _once(milestones.watch)
    return ran


def _once(work: Callable[..., int]) -> tuple[int, int]:
    with unit_of_work():
        count = work(now=clock.now())
    return count, count


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
