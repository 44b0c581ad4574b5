"""The frame of the measurements; the measurements themselves are no tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import bench.__main__ as frame
from bench.load import Timings, drive
from bench.measures import Case, Measure


@pytest.mark.parametrize(
    ("ours", "least", "most", "holds"),
    [
        (19.9, 20, None, False),
        (20, 20, None, True),
        (1.5, None, 1.5, True),
        (1.51, None, 1.5, False),
        (3, None, None, True),
    ],
)
def test_a_measure_holds_what_is_asked(
    ours: float, least: float | None, most: float | None, holds: bool
) -> None:
    assert Measure("x", "s", ours, "peer", 2, least, most).holds is holds


def test_ratio_is_ours_to_the_peers() -> None:
    assert Measure("x", "s", 3, "peer", 2).ratio == 1.5
    assert Measure("x", "s", 3, "none").ratio is None


def test_quantiles_are_those_of_the_work_done() -> None:
    timings = Timings([0.4, 0.1, 0.3, 0.2], total=2)
    assert (timings.quantile(0.5), timings.quantile(0.99), timings.per_second) == (0.2, 0.4, 2)


def test_a_failing_client_fails_the_measurement() -> None:
    def work(client: int) -> None:
        if client == 1:
            raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        drive(work, clients=2, seconds=5)


def test_figures_are_kept_and_a_miss_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> Iterator[Measure]:
        yield Measure("rows", "1/s", 5, "stock", 10, least=6)

    def fail() -> Iterator[Measure]:
        yield Measure("rows", "1/s", 5, "stock", 10)
        raise RuntimeError("no server")

    monkeypatch.setattr(frame, "RESULTS", tmp_path / "bench.json")
    monkeypatch.setattr(frame, "CASES", (Case("rows", "", run), Case("broken", "", fail)))
    monkeypatch.setattr("sys.argv", ["bench"])

    assert frame.main() == 1

    kept = json.loads((tmp_path / "bench.json").read_text())["cases"]
    assert (kept["rows"]["measures"][0]["ratio"], kept["broken"]["problem"]) == (
        0.5,
        "RuntimeError: no server",
    )
    assert "MISSED" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["bench", "nothing"])
    with pytest.raises(SystemExit, match="give some of rows, broken"):
        frame.main()
