"""`make bench`: run the cases, print a table, keep the figures in build/bench.json.

`python -m bench NAME …` runs some of them. A case that fails or takes too long is said and ends the
run with 1; so does a figure that misses what is asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from bench import custom, imports, sign_in, units
from bench.measures import Case, Measure

CASES: tuple[Case, ...] = (sign_in.CASE, units.CASE, imports.CASE, custom.CASE)
RESULTS = Path(__file__).resolve().parent.parent / "build" / "bench.json"


class TookTooLongError(Exception):
    """A case used up its seconds."""


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise TookTooLongError in the block after so many seconds."""

    def ring(_signum: int, _frame: FrameType | None) -> None:
        raise TookTooLongError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def chosen(names: list[str]) -> list[Case]:
    """The cases of these names, all without any; SystemExit names the known ones."""
    known = {case.name: case for case in CASES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"there is no case {', '.join(unknown)}; give some of {', '.join(known)}")
    return [known[name] for name in names] or list(CASES)


def main() -> int:
    """Run what was asked for; return the exit code."""
    results: dict[str, Any] = {}
    is_good = True
    for case in chosen(sys.argv[1:]):
        print(f"{case.name}: {case.about}", flush=True)
        measures: list[Measure] = []
        start = time.monotonic()
        problem = ""
        try:
            with at_most(case.seconds):
                measures.extend(case.run())
        except Exception as error:  # one case must not keep the others from their figures
            problem = f"{type(error).__name__}: {error}"
            print(f"  FAILED {problem}", flush=True)
        print_table(measures)
        is_good = is_good and not problem and all(measure.holds for measure in measures)
        results[case.name] = {
            "seconds": round(time.monotonic() - start, 1),
            "problem": problem,
            "measures": [as_row(measure) for measure in measures],
        }
    keep(results)
    return 0 if is_good else 1


def print_table(measures: list[Measure]) -> None:
    """One line a measure."""
    if not measures:
        return
    rows = [("", "ours", "peer", "ratio", "asked", "", "peer is")]
    for measure in measures:
        peer = "-" if measure.peer is None else f"{measure.peer:.3g}"
        ratio = "-" if measure.ratio is None else f"{measure.ratio:.2f}"
        verdict = ("holds" if measure.holds else "MISSED") if measure.asked else ""
        what = f"{measure.what} ({measure.unit})"
        rows.append(
            (what, f"{measure.ours:.3g}", peer, ratio, measure.asked, verdict, measure.peer_name)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        print("  " + "  ".join(cells).rstrip(), flush=True)


def as_row(measure: Measure) -> dict[str, Any]:
    """A measure as JSON keeps it."""
    return vars(measure) | {"ratio": measure.ratio, "holds": measure.holds}


def keep(results: dict[str, Any]) -> None:
    """Write the figures of this run; cases that did not run keep their earlier ones."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    earlier: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        earlier = json.loads(RESULTS.read_text(encoding="utf-8"))["cases"]
    load = [round(value, 2) for value in os.getloadavg()]
    kept = {"cores": os.cpu_count(), "load_afterwards": load, "cases": {**earlier, **results}}
    RESULTS.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    sys.exit(main())
