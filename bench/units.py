"""Choosing and listing among 20,000 units: bytes and seconds, beside stock FAB's related field.

Asked: what a picker of units costs is at most 50 KB and 200 ms.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import requests
from sqlalchemy import select

from app import create_app
from app.extensions import db, unit_of_work
from app.models import Unit
from bench.load import Timings
from bench.measures import Case, Measure
from bench.portals import STOCK_PASSWORD, Ground, real_portal, stock_portal
from bench.sign_in import TOKEN, our_accounts
from tests.many_units import grow_units

UNITS = 20_000
TIMES = 30
TYPED = ("人民医院", "贵州", "有限公司", "rmyy", "9152", "局")
PICKER_BYTES, PICKER_SECONDS = 50 * 1024, 0.2


def measure() -> Iterator[Measure]:
    """Fill both with the same units, then ask both for the same things."""
    with real_portal() as ground:
        file = fill(ground)
        ours = sign_in(ground.portal.url, our_province(ground))
        typed = [f"/lookup/unit?q={each}" for each in TYPED]
        picker_size, picker = get(ours, ["/exports/new", *typed])
        list_size, listing = get(ours, ["/units/list/"])
        tree_size, tree = get(ours, ["/unit_tree/"])
        with stock_portal(ground, "bench.stock_units", STOCK_UNITS=str(file)) as url:
            stock = sign_in(url, {"username": "user0", "password": STOCK_PASSWORD})
            stock_picker_size, stock_picker = get(stock, ["/people/add"], times=5)
            stock_list_size, stock_list = get(stock, ["/units/list/"], times=5)
    related, rows = "related field of stock FAB", "list of stock FAB"
    yield Measure(
        "picker, largest answer", "B", picker_size, related, stock_picker_size, most=PICKER_BYTES
    )
    yield Measure(
        "picker, p99",
        "s",
        picker.quantile(0.99),
        related,
        stock_picker.quantile(0.99),
        most=PICKER_SECONDS,
    )
    yield Measure("list page", "B", list_size, rows, stock_list_size)
    yield Measure("list page, p50", "s", listing.quantile(0.5), rows, stock_list.quantile(0.5))
    yield Measure("tree page", "B", tree_size, "none")
    yield Measure("tree page, p50", "s", tree.quantile(0.5), "none")


def fill(ground: Ground) -> Path:
    """Grow the portal's units and write them down for the peer."""
    assert ground.running.postgres is not None
    app = create_app(DATABASE_URL=ground.running.postgres.url, REDIS_URL=ground.running.redis_url)
    with app.app_context():
        with unit_of_work():
            grow_units(UNITS)
        columns = select(Unit.id, Unit.name, Unit.code, Unit.parent_id).order_by(Unit.path)
        rows = [list(row) for row in db.session.execute(columns)]
        db.session.remove()
        db.engine.dispose()
    assert len(rows) == UNITS
    file = ground.folder / "units.json"
    file.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return file


def our_province(ground: Ground) -> dict[str, str]:
    """The account of the provincial department, which sees every unit."""
    credentials = our_accounts(ground.portal)
    found = [credentials(number) for number in range(16)]
    return next(each for each in found if each["login"] == "province")


def sign_in(url: str, form: dict[str, str]) -> Site:
    """A signed-in session at a portal."""
    session = requests.Session()
    token = TOKEN.search(session.get(f"{url}/login/", timeout=60).content)
    extra = {"csrf_token": token[1].decode()} if token else {}
    session.post(f"{url}/login/", data=form | extra, timeout=60).raise_for_status()
    return Site(session, url)


class Site:
    """A portal somebody is signed in at."""

    def __init__(self, session: requests.Session, url: str) -> None:
        self.session, self.url = session, url

    def get(self, path: str) -> bytes:
        """The answer of an address, which must be a good one."""
        answer = self.session.get(f"{self.url}{path}", timeout=120, allow_redirects=False)
        if answer.status_code != requests.codes.ok:
            raise AssertionError(f"{path} answered {answer.status_code}")
        return answer.content


def get(site: Site, paths: list[str], *, times: int = TIMES) -> tuple[int, Timings]:
    """The largest answer and the seconds of each, after one round to warm up."""
    timings = Timings()
    largest = max(len(site.get(path)) for path in paths)
    for number in range(times):
        start = time.monotonic()
        site.get(paths[number % len(paths)])
        timings.seconds.append(time.monotonic() - start)
    return largest, timings


CASE = Case("units", "choosing and listing among 20,000 units", measure, seconds=400)
