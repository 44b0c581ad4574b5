"""Planted numbers: a real portal is used with 200 document and telephone numbers in every way they
come in; afterwards they are nowhere but in the encrypted columns.

Searched, in clear and encoded: every log, every key and value of Redis with queues and sessions,
every table, every address, redirect, link, form target and title, the public pages.
"""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import requests
from redis import Redis

from app.embedded import PostgresServer, RedisServer, socket_folder
from tests.conftest import PASSWORD
from tests.instance import Instance, running_portal
from tests.sheets import identity, person, workbook

COUNT = 200
NUMBERS = [identity(serial) for serial in range(COUNT)]
CONTACTS = range(COUNT, COUNT + 10)
"""The serials of the telephones that units are given."""
PHONES = [f"139{serial:08d}" for serial in range(CONTACTS.stop)]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

LINKS = re.compile(r'(?:href|action|src|data-[a-z-]+)="([^"]*)"')
TITLE = re.compile(r"<title>(.*?)</title>", flags=re.DOTALL)


@dataclass
class Trail:
    """What a search for the planted numbers goes through: (where, text)."""

    pieces: list[tuple[str, str]] = field(default_factory=list)

    def add(self, where: str, text: str) -> None:
        """Keep one piece."""
        self.pieces.append((where, text))

    def note(self, answer: requests.Response) -> None:
        """Keep the address, the redirects, links, form targets and the title of an answer.

        The path somebody typed is left to the access log; what the portal makes of it counts here.
        """
        for each in (*answer.history, answer):
            self.add("Location", each.headers.get("Location", ""))
            self.add("headers", str(each.headers))
        for found in (*LINKS.findall(answer.text), *TITLE.findall(answer.text)):
            self.add(f"link or title of {answer.status_code}", found)


def forms_of(secret: str) -> set[bytes]:
    """How a number may be written: as it is, in small letters, encoded, in hexadecimal."""
    plain = {secret, secret.lower()}
    encoded = {"".join(f"%{ord(c):02X}" for c in text) for text in plain}
    hexed = {text.encode().hex() for text in plain}
    return {text.encode() for text in plain | encoded | hexed | {quote(t) for t in plain}}


def hits(pieces: Iterable[tuple[str, str | bytes]]) -> list[tuple[str, str]]:
    """Where a planted number stands, and which one (by its last four characters)."""
    raw = [(w, t if isinstance(t, bytes) else t.encode(errors="replace")) for w, t in pieces]
    everything = b"\n".join(text for _where, text in raw)
    return [
        (where, secret[-4:])
        for secret in (*NUMBERS, *PHONES)
        if any(form in everything for form in forms_of(secret))
        for where, text in raw
        if any(form in text for form in forms_of(secret))
    ]


class Visitor:
    """A browser without a screen: keeps cookies, takes the token of the last page along."""

    def __init__(self, portal: Instance, trail: Trail) -> None:
        self.portal, self.base, self.trail = portal, portal.url, trail
        self.http = requests.Session()
        self.token = ""

    def get(self, path: str) -> requests.Response:
        """Open a page."""
        return self._keep(self.http.get(self.base + path, timeout=60))

    def post(self, path: str, files: Any = None, **data: str) -> requests.Response:
        """Send a form."""
        fields = {**data, "csrf_token": self.token}
        return self._keep(self.http.post(self.base + path, data=fields, files=files, timeout=60))

    def sign_in(self, login: str, password: str) -> requests.Response:
        """Sign in."""
        return self.post("/login/", login=login, password=password)

    def _keep(self, answer: requests.Response) -> requests.Response:
        self.trail.note(answer)
        assert answer.status_code < 500, (answer.request.path_url[:40], answer.text[:300])
        tokens = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', answer.text)
        self.token = tokens[-1] if tokens else self.token
        return answer


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A whole portal, its limits wide."""
    wide = dict.fromkeys(
        (
            "AUTH_RATE_LIMIT",
            "ACCOUNT_AUTH_RATE_LIMIT",
            "LOOKUP_RATE_LIMIT",
            "PERSONS_RATE_LIMIT",
            "PAGE_RATE_LIMIT",
        ),
        "100000 per minute",
    )
    with running_portal(tmp_path_factory.mktemp("planted") / "var", **wide) as running:
        yield running


@pytest.fixture(scope="module")
def trail(portal: Instance) -> Trail:
    """Everything the portal left behind after the numbers had been used."""
    trail = Trail()
    visitor = Visitor(portal, trail)
    use_as_public(visitor)
    use_in_sign_ins(visitor)
    unit = Visitor(portal, trail)
    assert unit.sign_in("gyhousing", PASSWORD).url.endswith("/work/")
    use_in_forms(unit)
    use_in_a_file(unit)
    use_as_contacts(unit)
    visit_public_pages(Visitor(portal, trail))
    return trail


def use_as_public(visitor: Visitor) -> None:
    """Look-ups by form and API, wrong bodies, numbers where certificate numbers belong."""
    for serial in range(40):
        number, phone = NUMBERS[serial], PHONES[serial]
        visitor.post("/public/results/own", name="查无此人", identity_number=number)
        visitor.post("/public/verify/own", name="查无此人", identity_number=number)
        for body in (
            {"name": "查无此人", "identity_number": number},
            {"name": number, "identity_number": phone, "extra": number},
            [number],
        ):
            visitor.trail.note(
                visitor.http.post(visitor.base + "/api/v1/public/outcome", json=body, timeout=60)
            )
        for path in ("/public/verify", "/public/receipt"):
            visitor.get(f"{path}?number={number}")
            visitor.get(f"{path}/{number}")
        visitor.get(f"/nothing/{phone}?q={number}")
        visitor.get(f"/nothing/{''.join(f'%{ord(c):02X}' for c in number)}")


def use_in_sign_ins(visitor: Visitor) -> None:
    """Unknown accounts, a page to go on to, a login no column can hold."""
    for serial in range(40, 80):
        number = NUMBERS[serial]
        assert visitor.sign_in(number, number).status_code == 401
        visitor.post("/login/", login=number.lower(), password="x", next=f"/accounts/show/{number}")
        visitor.post("/login/", login=f"{number}\0", password="x")
        visitor.get(f"/login/?next=/public/verify/{PHONES[serial]}")


def use_in_forms(unit: Visitor) -> None:
    """Accounts created, refused, searched, opened by their code, asked for in wrong places."""
    for serial in range(80, 110):
        number, phone = NUMBERS[serial], PHONES[serial]
        unit.get("/accounts/add")
        made = unit.post(
            "/accounts/add",
            name="种子",
            identity_document="resident_id",
            identity_number=number,
            phone=phone,
            applicant_kind="employee",
            declared="y",
        )
        assert made.status_code == 200, made.text[:500]
        unit.post(  # once more, and with a number that is none: both refused
            "/accounts/add", name="种子", identity_number=number, phone=number, declared="y"
        )
        unit.post("/accounts/search", term=number)
        unit.post("/accounts/search", term=phone)
        codes = re.findall(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}\b", made.text)
        newcomer = Visitor(unit.portal, unit.trail)
        newcomer.sign_in(number, codes[0] if codes else "wrong")
        newcomer.sign_in(number, "wrong")
    for serial in range(110, 130):
        number = NUMBERS[serial]
        for path in (
            f"/accounts/show/{number}",
            f"/accounts/list/?_flt_0_unit={number}&_oc_AccountView={number}&page={number}",
            f"/lookup/unit?q={number}",
            f"/lookup/person?q={PHONES[serial]}",
            f"/lookup/{number}",
            f"/units/show/{number}",
        ):
            unit.get(path)
        unit.post("/sessions/end", handle=number)
        unit.post(f"/accounts/reveal/{number}", field=number, reason=number)


def use_in_a_file(unit: Visitor) -> None:
    """A bulk creation through the background job, some of its rows wrong."""
    rows = [person(serial) for serial in range(130, 190)]
    rows += [person(serial, **{"姓名*": ""}) for serial in range(190, COUNT)]
    unit.get("/imports/new/people")
    answer = unit.post("/imports/new/people", files={"file": ("名单.xlsx", workbook(rows), XLSX)})
    page = wait_until(unit, answer.url, lambda text: 'name="declared"' in text)
    version = re.findall(r'name="expected_version"[^>]*value="(\d+)"', page.text)[-1]
    job_id = re.findall(r"/imports/check/(\d+)", page.url)[0]
    unit.get(f"/jobs/file/{job_id}/errors")
    unit.post(f"/imports/confirm/{job_id}", expected_version=version, declared="y")
    wait_until(unit, f"{unit.base}/imports/check/{job_id}", lambda text: "/imports/codes/" in text)


def use_as_contacts(unit: Visitor) -> None:
    """Units created with a contact's telephone, given another one, shown and exported."""
    for serial in CONTACTS[:5]:
        unit.get("/units/add")
        made = unit.post(
            "/units/add",
            kind="employer",
            name=f"种子单位{'甲乙丙丁戊'[serial - COUNT]}",
            division="520100",
            contact_phone=PHONES[serial],
        )
        assert made.status_code == 200, made.text[:500]
        [unit_id] = re.findall(r"/units/show/(\d+)", made.text)[:1]
        page = unit.get(f"/units/show/{unit_id}")
        assert f"139****{PHONES[serial][-4:]}" in page.text
        unit.trail.add("page of a unit", page.text)
        [account_id] = re.findall(
            r"/accounts/show/(\d+)", unit.get(f"/accounts/list/?_flt_0_unit={unit_id}").text
        )[:1]
        unit.get(f"/accounts/reset/{account_id}")
        again = unit.post(f"/accounts/reset/{account_id}", reason="换人", phone=PHONES[serial + 5])
        assert again.status_code == 200, again.text[:500]
        page = unit.get(f"/units/show/{unit_id}")
        assert f"139****{PHONES[serial + 5][-4:]}" in page.text
        unit.trail.add("page of a unit", page.text)


def wait_until(visitor: Visitor, url: str, is_there: Callable[[str], bool]) -> requests.Response:
    """Open a page until the background job has got there."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        page = visitor.get(url.removeprefix(visitor.base))
        if is_there(page.text):
            return page
        time.sleep(0.5)
    raise AssertionError(page.text[:3000])


def visit_public_pages(visitor: Visitor) -> None:
    """The whole text of what anybody may open."""
    for path in ("/public/", "/public/calls", "/public/publicity", "/public/results", "/login/"):
        visitor.trail.add(f"public page {path}", visitor.get(path).text)


def logs_of(portal: Instance) -> list[tuple[str, str | bytes]]:
    """Every log of the portal and of its servers, and what it printed."""
    files = [portal.log, *sorted((portal.var / "log").iterdir())]
    assert {"web.log", "default.log", "ticker.log", "postgresql.log"} <= {f.name for f in files}
    return [(file.name, file.read_bytes()) for file in files]


def redis_of(portal: Instance) -> list[tuple[str, str | bytes]]:
    """Every key and value; what RQ has compressed is unpacked."""
    store = Redis.from_url(RedisServer(portal.var, socket_folder(portal.var)).url)
    found: list[tuple[str, str | bytes]] = []
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"string": store.get,
        b"hash": store.hgetall,
        b"set": store.smembers,
        b"list": lambda key: store.lrange(key, 0, -1),
        b"zset": lambda key: store.zrange(key, 0, -1),
        b"stream": store.xrange,
    }
    for key in store.scan_iter(count=1000):
        kind = store.type(key)
        value = readers[kind](key) if kind in readers else b""  # a key that has expired by now
        found += [("redis key", key), ("redis value", str(value).encode())]
        for part in value.values() if isinstance(value, dict) else [value]:
            if isinstance(part, bytes) and part[:1] == b"\x78":
                found.append(("redis value, unpacked", zlib.decompress(part)))
    store.close()
    return found


def tables_of(portal: Instance) -> list[tuple[str, str | bytes]]:
    """Every row of every table as text: notifications, audit, jobs, everything."""
    with psycopg.connect(
        PostgresServer(portal.var, socket_folder(portal.var)).url.replace("+psycopg", "")
    ) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "SELECT quote_ident(relname) FROM pg_stat_user_tables ORDER BY relname"
            )
        ]
        return [
            (f"table {name}", row[0])
            for name in names
            for row in connection.execute(f"SELECT t::text FROM {name} t")  # type: ignore[arg-type]  # noqa: S608 -- names of our tables
        ]


def test_numbers_were_really_used(portal: Instance, trail: Trail) -> None:
    """At least ninety persons with planted numbers are known now; wrong sign-ins were answered."""
    rows = tables_of(portal)
    people = [text for where, text in rows if where == "table person"]
    assert sum(str(text).startswith(("(批量", "(种子")) for text in people) >= 90
    lines = [json.loads(line) for line in (portal.var / "log" / "web.log").read_text().splitlines()]
    asked = [line["path"] for line in lines if line["logger"] == "gunicorn.access"]
    assert asked.count("/login/") >= 80
    assert any(path == "/accounts/show/[document number]" for path in asked)
    assert all("?" not in path for path in asked)


@pytest.mark.parametrize("where", ["logs", "redis", "tables", "addresses"])
def test_planted_numbers_are_nowhere(portal: Instance, trail: Trail, where: str) -> None:
    pieces: dict[str, Callable[[], Iterable[tuple[str, str | bytes]]]] = {
        "logs": lambda: logs_of(portal),
        "redis": lambda: redis_of(portal),
        "tables": lambda: tables_of(portal),
        "addresses": lambda: trail.pieces,
    }
    searched = list(pieces[where]())
    assert len(searched) > 5
    assert hits(searched) == []


def test_a_number_in_the_wrong_place_would_be_found(portal: Instance, trail: Trail) -> None:
    """One number is put into a log, a key, a queue, a column and a title on purpose."""
    number = NUMBERS[7]
    log = portal.var / "log" / "default.log"
    kept = log.read_bytes()
    log.write_bytes(kept + f"login {number}\n".encode())
    store = Redis.from_url(RedisServer(portal.var, socket_folder(portal.var)).url)
    store.set(f"portal:planted:{number}", "1")
    store.hset("rq:job:planted", "data", zlib.compress(json.dumps([number]).encode()))
    try:
        assert hits(logs_of(portal)) == [("default.log", number[-4:])]
        assert {where for where, _ in hits(redis_of(portal))} == {
            "redis key",
            "redis value, unpacked",
        }
        assert hits([("href", f"/x?q={''.join(f'%{ord(c):02X}' for c in number)}")])
        assert hits([("title", PHONES[3])])
        assert hits([("table x", f"(1,\\x{number.encode().hex()})")])
    finally:
        log.write_bytes(kept)
        store.delete(f"portal:planted:{number}", "rq:job:planted")
        store.close()


# --------------------------------------------------------------------------- sessions


def test_sessions_end_at_once_in_every_web_process(portal: Instance) -> None:
    """Two workers serve the portal: after the end neither of them knows the session."""
    here, there = Visitor(portal, Trail()), Visitor(portal, Trail())
    for visitor in (here, there):
        visitor.sign_in("auditor", PASSWORD)
        assert visitor.get("/notifications/").url.endswith("/notifications/")
    page = here.get("/sessions/")
    assert "登录设备" in page.text
    answer = here.post("/sessions/end-others")
    assert "已结束其他" in answer.text
    answers = [there.http.get(there.base + "/notifications/", timeout=60).url for _ in range(12)]
    assert all("/login/" in url for url in answers)
    answers = [here.http.get(here.base + "/notifications/", timeout=60).url for _ in range(12)]
    assert all(url.endswith("/notifications/") for url in answers)
