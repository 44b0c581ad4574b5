"""What a check says of a definition, and the list of the checks."""

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
