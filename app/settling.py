"""Running what has fallen due, each application in a transaction of its own.

Between the services, which never commit, and the edges: RQ jobs, `./portal sweep`, the rehearsal
clock, and every page that acts on an application and must see it as the clock left it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

from sqlalchemy.exc import DBAPIError

from app import clock
from app.domain.errors import DomainError
from app.extensions import audit_anchor_file, audit_signing_key, trusted_writes, unit_of_work
from app.services import (
    account_sampling,
    dormancy,
    job_files,
    milestones,
    notifications,
    refusals,
    reminders,
    second_signatures,
    sweeps,
    transfers,
    unit_moves,
)
from app.services.audit_anchors import HEARTBEAT, AnchorKeys, anchor_head
from app.services.definitions import custom_fields

log = logging.getLogger(__name__)

WORK: Mapping[str, Callable[..., int]] = {
    "transfers": transfers.settle_due,
    "unit_moves": unit_moves.expire_due,
    "signatures": second_signatures.expire_due,
    "unusual_accounts": account_sampling.flag_unusual,
    "dormancy": dormancy.suspend_dormant,
    "outbox": notifications.deliver_outbox,
    "reminders": reminders.remind,
    "milestones": milestones.watch,
    "refusals": refusals.write_refusals,
}
"""What the clock does by itself besides the sweeps of applications, in this order: how many rows
each has changed."""

INDEX_WAIT_SECONDS = 5
"""How long an index waits for those who write its table; others would soon wait behind it."""

ON_THE_REAL_CLOCK = frozenset({"dormancy"})
"""Whether an account is used is a matter of real time; all other work follows business time."""


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
    ran |= {name: run_work(name) for name in WORK}
    expired = expire_jobs()
    ran["job_files"] = (expired, expired)
    ran["audit_head"] = _try_to_anchor()
    ran["custom_indexes"] = _try_to_tend()
    return ran


def anchor_audit(heartbeat: timedelta = HEARTBEAT) -> tuple[int, int]:
    """(found, changed): sign the head of the audit log and write it outside the database."""
    with unit_of_work():
        anchor = anchor_head(
            audit_anchor_file(),
            AnchorKeys(audit_signing_key()),
            now=clock.real_now(),
            heartbeat=heartbeat,
        )
    written = int(anchor is not None)
    return written, written


def _try_to_anchor() -> tuple[int, int]:
    """As `anchor_audit`; what stands in its way is logged and keeps nothing else from being
    done."""
    try:
        return anchor_audit()
    except (DomainError, OSError) as error:
        log.error("the head of the audit log is not anchored: %s", type(error).__name__)  # noqa: TRY400 -- a state of things, no traceback
        return 1, 0


def tend_custom_indexes() -> tuple[int, int]:
    """(found, changed): make the indexes the published definitions ask for, drop all others.

    Each in a transaction of its own; one that cannot be made now, because somebody writes for long,
    keeps no other from it and is tried again. Raises IndexNotMadeError in the end.
    """
    with unit_of_work():
        wanted = custom_fields.wanted_indexes()
        present = custom_fields.present_indexes()
    missing = [index for name, index in wanted.items() if name not in present]
    steps = [partial(custom_fields.make_index, index) for index in missing]
    steps += [partial(custom_fields.drop_index, name) for name in sorted(present - set(wanted))]
    failed = sum(not _did(step) for step in steps)
    if failed:
        raise custom_fields.IndexNotMadeError(count=failed)
    return len(steps), len(steps)


def _did(step: Callable[[], None]) -> bool:
    try:
        with unit_of_work():
            custom_fields.wait_no_longer_than(INDEX_WAIT_SECONDS)
            step()
    except DBAPIError as error:
        log.warning("an index of a custom field is not there yet: %s", type(error.orig).__name__)
        return False
    return True


def _try_to_tend() -> tuple[int, int]:
    """As `tend_custom_indexes`; an index that is missing makes lists slower and stops nothing."""
    try:
        return tend_custom_indexes()
    except DomainError:
        return 1, 0


def run_work(name: str) -> tuple[int, int]:
    """(found, changed) of one piece of `WORK`, in one transaction."""
    now = clock.real_now() if name in ON_THE_REAL_CLOCK else clock.now()
    with trusted_writes(), unit_of_work():
        count = WORK[name](now=now)
    return count, count


def expire_jobs() -> int:
    """Delete files and activation codes of background jobs whose time is over; of how many jobs."""
    expired = job_files.find_expired(now=clock.now())
    for job_id in expired:
        with unit_of_work():
            job_files.expire_job(job_id, now=clock.now())
    return len(expired)
