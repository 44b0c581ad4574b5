"""A case measures something of ours and the same of a peer; what counts is their ratio.

Absolute figures depend on the machine and on who else works on it, ratios of one run hardly do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One figure of ours beside the peer's; `least` or `most` is what ours must keep to."""

    what: str
    unit: str
    ours: float
    peer_name: str
    peer: float | None = None
    least: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's; None without a peer's figure."""
        return self.ours / self.peer if self.peer else None

    @property
    def holds(self) -> bool:
        """Whether ours keeps to what is asked; true where nothing is asked."""
        enough = self.least is None or self.ours >= self.least
        return enough and (self.most is None or self.ours <= self.most)

    @property
    def asked(self) -> str:
        """What is asked of ours, for the table."""
        if self.least is not None:
            return f">= {self.least:g}"
        return f"<= {self.most:g}" if self.most is not None else ""


@dataclass(frozen=True)
class Case:
    """A named group of measures; `seconds` bounds it, whatever it does."""

    name: str
    about: str
    run: Callable[[], Iterator[Measure]]
    seconds: int = 300
