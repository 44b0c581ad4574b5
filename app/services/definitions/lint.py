"""The check before publishing: what a definition of sound shape can still be wrong about.

Each check is registered for the kinds of definition it reads; a finding names its place by the path
of layers.py, so that the editor can lead there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Check = Callable[[Mapping[str, Any]], Iterator["Finding"]]


@dataclass(frozen=True)
class Finding:
    """A fault of a definition: `template % params`, at `path`; `blocks`: no publishing with it."""

    code: str
    path: str
    template: str
    params: Mapping[str, object] = field(default_factory=dict)
    blocks: bool = True


CHECKS: dict[str, list[Check]] = {}
"""The checks of each kind of definition."""


def checks(*kinds: str) -> Callable[[Check], Check]:
    """Register a check for kinds of definition."""

    def register(check: Check) -> Check:
        for kind in kinds:
            CHECKS.setdefault(kind, []).append(check)
        return check

    return register


def lint(definition: Mapping[str, Any]) -> list[Finding]:
    """Every fault of a definition, in the order of the checks."""
    return [
        finding
        for check in CHECKS.get(str(definition.get("kind")), [])
        for finding in check(definition)
    ]
