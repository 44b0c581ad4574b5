"""Walking the chain of the audit log: which row was changed, taken out, put in or moved.

The hash of a link covers the link before, its own number and every column of its entry
(`app/append_only.py`). What is recomputed here is the SQL of this code, not a function stored in
the database, which somebody may have replaced. Memory is bounded whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select, text

from app.append_only import GENESIS, entry_hash
from app.extensions import db
from app.models import AuditAnchor, AuditEntry
from app.services.audit_anchors import AnchorLine

BATCH = 5_000
KEPT = 1_000
"""Findings named; more are counted."""
FARTHEST = 1_000
"""How far a row that was moved is looked for."""
LOOKED_FOR = 200
"""Rows that were moved singly are looked for this often in one walk."""


class Damage(StrEnum):
    """What is wrong with a row of the chain, or with the chain as a whole."""

    CHANGED = "changed"
    """The entry or its link is not what was written."""
    MOVED = "moved"
    """Written under another number; with `count`, so are the rows after it."""
    INSERTED = "inserted"
    """A link put in between two that follow each other."""
    REWRITTEN = "rewritten"
    """Entry and link changed together: the next link remembers another one."""
    DELETED = "deleted"
    """The link stands, its entry is gone."""
    MISSING = "missing"
    """Numbers without a link."""
    UNLINKED = "unlinked"
    """An entry that no link knows: put in past the chain, or its link was taken away."""
    CUT = "cut"
    """An anchored head lies beyond the end of the chain."""
    OTHER_HEAD = "other_head"
    """The link is not the one that was anchored: somewhere since the anchor before, rows were
    rewritten."""
    ANCHOR = "anchor"
    """A line of the anchor file does not verify."""
    ANCHORS_CUT = "anchors_cut"
    """The database remembers a later anchor than the file ends with."""


@dataclass
class Finding:
    """One damage and where it is: number of the link, last number of a range, entry, line."""

    damage: Damage
    number: int | None = None
    to_number: int | None = None
    entry_id: int | None = None
    line: int | None = None
    count: int = 1
    detail: str = ""


@dataclass
class Verdict:
    """What a walk over everything came to."""

    links: int = 0
    last_number: int = 0
    anchored_to: int = 0
    anchored_at: datetime | None = None
    first_unanchored_entry: int | None = None
    anchors: int = 0
    count: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing at all was found."""
        return self.count == 0

    def add(self, finding: Finding) -> Finding:
        """Keep a finding, or only count it when there are very many."""
        self.count += 1
        if len(self.findings) < KEPT:
            self.findings.append(finding)
        return finding


@dataclass
class _Row:
    number: int
    entry_id: int
    previous_hash: str
    hash: str
    exists: bool
    expected: str | None
    is_damaged: bool = False
    """It is reported already; where it does not fit its neighbours, nothing more follows."""
    breaks: bool = False
    """It does not follow the row before, and the next row will tell which of the two is forged."""


def verify(anchors: Iterable[AnchorLine] | None = None, *, batch: int = BATCH) -> Verdict:
    """Walk the whole chain beside the anchors and say everything that is wrong.

    Read-only. The anchors come in the order of their file; None looks at the database alone.
    """
    verdict = Verdict()
    beside = _Anchors(iter(anchors or ()), verdict)
    _Walk(verdict, beside, batch).run()
    beside.finish()
    _find_unlinked(verdict)
    if anchors is not None:
        _compare_remembered_anchor(verdict)
    verdict.first_unanchored_entry = db.session.scalar(
        text("SELECT entry_id FROM audit_link WHERE number > :number ORDER BY number LIMIT 1"),
        {"number": verdict.anchored_to},
    )
    return verdict


def head() -> tuple[int, str]:
    """(number, hash) of the last link; 0 and zeros where nothing is written yet."""
    row = db.session.execute(
        text("SELECT number, hash FROM audit_link ORDER BY number DESC LIMIT 1")
    ).first()
    return (row.number, row.hash) if row else (0, GENESIS)


@dataclass(frozen=True)
class Place:
    """Where an entry stands in the chain, and when a head at or after it was first anchored."""

    number: int
    hash: str
    previous_hash: str
    anchored_at: datetime | None


def place_of(entry: AuditEntry) -> Place | None:
    """The place of an entry; None before its commit."""
    link = entry.link
    if link is None:
        return None
    anchored_at = db.session.scalar(
        select(AuditAnchor.at)
        .where(AuditAnchor.number >= link.number)
        .order_by(AuditAnchor.number, AuditAnchor.id)
        .limit(1)
    )
    return Place(link.number, link.hash, link.previous_hash, anchored_at)


_LINKS = text(
    "SELECT l.number, l.entry_id, l.previous_hash, l.hash, e.id IS NOT NULL AS exists,"  # noqa: S608 -- our own words only
    f" {entry_hash('e', 'l.previous_hash', 'l.number + :shift')} AS expected"
    " FROM audit_link l LEFT JOIN audit_entry e ON e.id = l.entry_id"
    " WHERE l.number > :after ORDER BY l.number LIMIT :batch"
)
_SHIFT = text(
    "SELECT d FROM audit_link l JOIN audit_entry e ON e.id = l.entry_id,"  # noqa: S608 -- our own words only
    " generate_series(-CAST(:farthest AS bigint), CAST(:farthest AS bigint)) d"
    " WHERE l.number = :number AND l.hash ="
    f" {entry_hash('e', 'l.previous_hash', 'l.number + d')} ORDER BY abs(d) LIMIT 1"
)


class _Walk:
    """One pass over the links; knows the two rows before and the present shift of the numbers."""

    def __init__(self, verdict: Verdict, anchors: _Anchors, batch: int) -> None:
        self.verdict = verdict
        self.anchors = anchors
        self.batch = batch
        self.shift = 0
        self.looked_for = 0
        self.run_of_moved: Finding | None = None
        self.before = GENESIS
        """The hash of the row before the one before."""
        self.last = _Row(0, 0, "", GENESIS, exists=True, expected=GENESIS)

    def run(self) -> None:
        """Look at every link in the order of the numbers."""
        for row in self._rows():
            self._look_at(row)
            self.anchors.pass_link(row.number, row.hash)
            self.before, self.last = self.last.hash, row
            self.verdict.links += 1
            self.verdict.last_number = row.number
        if self.last.breaks:
            self._report_break(self.last)

    def _rows(self) -> Iterator[_Row]:
        after = 0
        while True:
            shift = self.shift
            found = db.session.execute(
                _LINKS, {"after": after, "batch": self.batch, "shift": shift}
            ).all()
            for values in found:
                yield _Row(*values)
                after = values[0]
                if self.shift != shift:
                    break  # what was fetched was computed under another shift
            else:
                if len(found) < self.batch:
                    return

    def _look_at(self, row: _Row) -> None:
        expected_number = self.last.number + 1
        shift = self.shift
        has_gap = row.number != expected_number
        if has_gap:
            self.verdict.add(
                Finding(Damage.MISSING, number=expected_number, to_number=row.number - 1)
            )
        if not row.exists:
            row.is_damaged = True
            self.verdict.add(Finding(Damage.DELETED, row.number, entry_id=row.entry_id))
        elif row.expected != row.hash:
            row.is_damaged = True
            self._explain(row)
        elif self.run_of_moved is not None:
            self.run_of_moved.count += 1
        follows = row.previous_hash == self.last.hash
        if not follows and not has_gap:
            if row.previous_hash == self.before and self.last.number and not self.last.is_damaged:
                self.verdict.add(
                    Finding(Damage.INSERTED, self.last.number, entry_id=self.last.entry_id)
                )
                self.last.breaks = False
                return
            is_seam = self.shift != shift
            row.breaks = not (row.is_damaged or self.last.is_damaged or is_seam)
        if self.last.breaks:
            is_last_forged = not follows and not has_gap
            self._report_break(self.last if is_last_forged else None)
            row.breaks = row.breaks and not is_last_forged

    def _report_break(self, forged: _Row | None) -> None:
        number = self.last.number - 1 if forged is None else forged.number
        entry_id = self._entry_of(number) if forged is None else forged.entry_id
        self.verdict.add(Finding(Damage.REWRITTEN, number, entry_id=entry_id))

    def _explain(self, row: _Row) -> None:
        """Say whether a row that does not match was only moved."""
        shift: int | None = None
        if self.looked_for < LOOKED_FOR:
            self.looked_for += 1
            shift = db.session.scalar(_SHIFT, {"number": row.number, "farthest": FARTHEST})
        if shift is None:
            self.verdict.add(Finding(Damage.CHANGED, row.number, entry_id=row.entry_id))
            return
        self.shift = shift
        if shift == 0:
            row.is_damaged = False
            self.run_of_moved = None
            return
        self.run_of_moved = self.verdict.add(
            Finding(
                Damage.MOVED, row.number, entry_id=row.entry_id, to_number=row.number + int(shift)
            )
        )

    @staticmethod
    def _entry_of(number: int) -> int | None:
        found = db.session.scalar(
            text("SELECT entry_id FROM audit_link WHERE number = :number"), {"number": number}
        )
        return None if found is None else int(found)


class _Anchors:
    """The anchors beside the walk: each is held against the link of its number."""

    def __init__(self, lines: Iterator[AnchorLine], verdict: Verdict) -> None:
        self.lines = lines
        self.verdict = verdict
        self.next = self._advance()

    def _advance(self) -> AnchorLine | None:
        """The next line that verifies; the others are reported on the way."""
        for line in self.lines:
            self.verdict.anchors += 1
            if not line.problem:
                return line
            self.verdict.add(
                Finding(
                    Damage.ANCHOR, number=line.number or None, line=line.line, detail=line.problem
                )
            )
            if line.is_signed:
                return line
        return None

    def pass_link(self, number: int, link_hash: str) -> None:
        """Hold the anchors of this number against the link."""
        while self.next is not None and self.next.number <= number:
            line = self.next
            if line.number == number and line.hash == link_hash:
                self.verdict.anchored_to = number
                self.verdict.anchored_at = line.at
            elif line.number:
                self.verdict.add(
                    Finding(
                        Damage.OTHER_HEAD,
                        number=self.verdict.anchored_to + 1,
                        to_number=line.number,
                        line=line.line,
                    )
                )
            self.next = self._advance()

    def finish(self) -> None:
        """What is anchored beyond the last link has been cut off."""
        farthest, line_number = 0, None
        while self.next is not None:
            if self.next.number > farthest:
                farthest, line_number = self.next.number, self.next.line
            self.next = self._advance()
        if farthest > self.verdict.last_number:
            self.verdict.add(
                Finding(
                    Damage.CUT,
                    number=self.verdict.last_number + 1,
                    to_number=farthest,
                    line=line_number,
                )
            )


def _find_unlinked(verdict: Verdict) -> None:
    found: Any = db.session.execute(
        text(
            "SELECT e.id FROM audit_entry e WHERE NOT EXISTS"
            " (SELECT FROM audit_link l WHERE l.entry_id = e.id) ORDER BY e.id"
        ).execution_options(yield_per=BATCH)
    )
    for entry_id in found.scalars():
        verdict.add(Finding(Damage.UNLINKED, entry_id=entry_id))


def _compare_remembered_anchor(verdict: Verdict) -> None:
    """Hold the farthest anchor the database remembers against what the file has."""
    remembered = int(db.session.scalar(text("SELECT max(number) FROM audit_anchor")) or 0)
    seen = {finding.damage for finding in verdict.findings}
    if remembered > verdict.last_number and Damage.CUT not in seen:
        verdict.add(Finding(Damage.CUT, verdict.last_number + 1, to_number=remembered))
    elif remembered > verdict.anchored_to and seen.isdisjoint(
        {Damage.CUT, Damage.OTHER_HEAD, Damage.ANCHOR}
    ):
        verdict.add(Finding(Damage.ANCHORS_CUT, verdict.anchored_to + 1, to_number=remembered))
