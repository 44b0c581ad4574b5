"""抽查、异常和弄虚作假: how the HRSS department looks after the accounts units create (rules E8).

Software cannot prove that somebody works for a unit. It draws a sample that can be repeated, points
at unusual numbers, and carries out what a finding says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.domain.review import rank_by_draw

PER_DAY: Final = 50
GROWTH_PERCENT: Final = 100
LEAST: Final = 20


@dataclass(frozen=True, slots=True)
class UnusualLimits:
    """From which number of new accounts on a unit is looked at.

    `per_day` in one day; in one year `growth_percent` of the people the unit had before the year,
    but at least `least`, so that a small or new unit is not flagged for its first accounts.
    """

    per_day: int = PER_DAY
    growth_percent: int = GROWTH_PERCENT
    least: int = LEAST

    def of_year(self, people_before: int) -> int:
        """Return the most accounts of one year that are nothing unusual."""
        return max(self.least, people_before * self.growth_percent // 100)


def draw_sample(candidates: Sequence[int], *, size: int, seed: str) -> tuple[str, list[int]]:
    """Return the hash of the candidates and the sample, the same way every time (as panels are
    drawn, M2). Raises RuleViolation without candidates."""
    if size < 1 or not candidates:
        raise RuleViolation(
            N_("No account was created in this period. Choose another period or a larger area.")
        )
    digest, ranked = rank_by_draw([str(each) for each in candidates], seed)
    return digest, [int(each) for each in ranked[:size]]
