"""The hash chain: canonical, and broken by any change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.history import GENESIS_HASH, chain_hash, find_broken_link
from app.domain.workflow import State
from tests.domain.moments import at, on


def test_a_known_hash_never_changes() -> None:
    assert chain_hash(GENESIS_HASH, {"state": "draft"}) == (
        "f1ba3a7ccd1feafb09a119fe79d9f7950f38d216b18363fb2cbf351f8cb1d97e"
    )


def test_the_order_of_keys_does_not_matter() -> None:
    assert chain_hash("a", {"x": 1, "y": "王敏"}) == chain_hash("a", {"y": "王敏", "x": 1})


def test_the_zone_of_an_instant_does_not_matter() -> None:
    beijing, utc = at("2022-08-05T17:00"), datetime(2022, 8, 5, 9, tzinfo=UTC)
    assert chain_hash("a", {"at": beijing}) == chain_hash("a", {"at": utc})
    assert chain_hash("a", {"at": on("2022-08-05")}) == chain_hash("a", {"at": "2022-08-05"})


def test_an_enumeration_is_its_value() -> None:
    assert chain_hash("a", {"state": State.DRAFT}) == chain_hash("a", {"state": "draft"})


def test_every_part_matters() -> None:
    hashes = {
        chain_hash("a", {"x": 1}),
        chain_hash("b", {"x": 1}),
        chain_hash("a", {"x": 2}),
        chain_hash("a", {"y": 1}),
        chain_hash("a", {"x": "1"}),
    }
    assert len(hashes) == 5


def test_naive_instants_and_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        chain_hash("a", {"at": datetime(2022, 8, 5)})  # noqa: DTZ001 -- naive on purpose
    with pytest.raises(TypeError, match="set"):
        chain_hash("a", {"x": {1}})
    with pytest.raises(ValueError, match="JSON"):
        chain_hash("a", {"x": float("nan")})


def chain(count: int) -> list[tuple[str, dict[str, object], str]]:
    entries: list[tuple[str, dict[str, object], str]] = []
    previous = GENESIS_HASH
    for seq in range(count):
        payload: dict[str, object] = {"seq": seq}
        current = chain_hash(previous, payload)
        entries.append((previous, payload, current))
        previous = current
    return entries


def test_an_unbroken_chain_has_no_broken_link() -> None:
    assert find_broken_link([]) is None
    assert find_broken_link(chain(4)) is None


def test_a_changed_or_missing_entry_is_found() -> None:
    changed = chain(4)
    changed[2][1]["seq"] = 9
    assert find_broken_link(changed) == 2
    missing = chain(4)
    del missing[1]
    assert find_broken_link(missing) == 1
