"""Every role: its own side bar only, and every entry opens, at a desk and on a phone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser import journey
from tests.browser.window import DESK, PHONE, Window
from tests.story.world import World

pytestmark = pytest.mark.browser

WORK, CHECK, PUBLICITY, REVIEW, RESULTS, MASTER, SCREENS, SYSTEM = (
    "待办", "申报审核", "公示", "评审", "结果与证书", "基础数据", "界面配置", "系统",
)  # fmt: skip
GROUPS = {
    "刘伟": (WORK, CHECK, PUBLICITY, RESULTS, MASTER),
    "nmdesign": (WORK, CHECK, PUBLICITY, RESULTS, MASTER),
    "guiyang": (WORK, CHECK, PUBLICITY, RESULTS, MASTER),
    "office_building_senior": (WORK, CHECK, PUBLICITY, REVIEW, RESULTS, MASTER),
    "陆海涛": (WORK, PUBLICITY, REVIEW),
    "supervisor": (WORK, PUBLICITY, REVIEW, RESULTS, MASTER),
    "province": (WORK, CHECK, PUBLICITY, REVIEW, RESULTS, MASTER, SCREENS, SYSTEM),
    "sysadmin": (WORK, MASTER, SCREENS, SYSTEM),
    "security": (WORK, MASTER, SYSTEM),
    "auditor": (WORK, MASTER, SCREENS, SYSTEM),
}
"""Login or name of a demo account: the headings of its side bar."""

NOT_THEIRS = {
    "刘伟": ("/meetings/list/", "/audit/list/", "/rehearsal/"),
    "nmdesign": ("/meetings/list/", "/parameters/list/"),
    "guiyang": ("/meetings/list/", "/audit/list/", "/rehearsal/"),
    "office_building_senior": ("/units/list/", "/audit/list/", "/parameters/list/"),
    "陆海涛": ("/applications/list/", "/accounts/list/", "/results/"),
    "supervisor": ("/applications/list/", "/accounts/list/"),
    "province": ("/audit/list/", "/job-runs/list/"),
    "sysadmin": ("/applications/list/", "/accounts/list/", "/audit/list/"),
    "security": ("/applications/list/", "/audit/list/", "/parameters/list/"),
    "auditor": ("/applications/list/", "/accounts/list/", "/rehearsal/"),
}
_records_seen: set[str] = set()


@pytest.mark.parametrize("name", GROUPS)
def test_role_sees_its_own_menu_and_every_entry_opens(
    name: str, season: dict[str, Any], window: Window, world: World
) -> None:
    journey.enter_as(window, world, name).resize(DESK).open("/work/")
    shown = window.run(
        "return [...document.querySelectorAll('#sidebar summary')].map((e) => e.innerText.trim())"
    )
    assert tuple(shown) == GROUPS[name]
    entries = window.run(
        "return [...document.querySelectorAll('#sidebar a.sidebar-link')].map((e) => e.href)"
    )
    assert not [entry for entry in entries if entry.endswith(NOT_THEIRS[name])]
    for entry in entries:
        see_at_both_widths(window, entry)
        _see_first_record(window)


@pytest.mark.parametrize("name", NOT_THEIRS)
def test_role_is_kept_out_of_what_is_not_its_own(
    name: str, season: dict[str, Any], world: World
) -> None:
    for address in NOT_THEIRS[name]:
        page = world.browser(name).get(address, expect=None)
        assert (address, page.status) in ((address, 403), (address, 404))


def see_at_both_widths(window: Window, address: str) -> None:
    """Open a page at a desk, then narrow the window to a phone."""
    window.resize(DESK).open(address)
    window.resize(PHONE).check()
    window.resize(DESK)


def _see_first_record(window: Window) -> None:
    """Open the first record of a list, once for each kind."""
    rows = window.find_all("main tr[data-href]")
    address = (rows[0].get_attribute("data-href") or "") if rows else ""
    kind = address.rstrip("/").rsplit("/", 1)[0]
    if kind and kind not in _records_seen:
        _records_seen.add(kind)
        see_at_both_widths(window, address)
