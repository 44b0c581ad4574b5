"""Chapter 0: a unit creates an account; its holder opens it with the code and a text, once."""

from __future__ import annotations

import json
import re

from app.domain.codes import compute_id_check
from tests.story.browser import Browser, Page
from tests.story.world import World, must

UNIT = "gzdesign"
NAME, PHONE = "龙小雨", "19900005511"
BODY = "52010219930614252"
NUMBER = BODY + compute_id_check(BODY)
PRINTED = "123@abc"
CHOSEN = "Qingshui-Wuyue8"
CODE = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}")


def tell(world: World) -> None:
    """On 3 August, before anything else."""
    code = _create(world)
    _try_as_password(world, code)
    _activate(world, code)
    _use_again(world, code)
    _sign_in(world)


def _create(world: World) -> str:
    with world.step("unit", f"creates the account of {NAME}; the code is shown once") as step:
        browser = world.browser(UNIT)
        form = browser.get("/accounts/add").form("", field="identity_number")
        form.fill(name=NAME, identity_number=NUMBER, phone=PHONE, declared=True)
        page = browser.send(form)
        found = CODE.search(page.text)
        must(found, "no activation code is shown", page)
        page.must_show("2022-12-09 24:00")
        step.result = "valid until 2022-12-09 24:00"
        return found[0] if found else ""


def _try_as_password(world: World, code: str) -> None:
    with world.step("public", "the code is no password") as step:
        browser = Browser(world.instance.url)
        page = browser.get("/login/").form("/login/", field="password")
        browser.send(page.fill(login=NUMBER, password=code), expect=401, refused=True)
        step.result = "refused"


def _begin(browser: Browser, code: str, **expected: object) -> Page:
    form = browser.get("/activate/").form("", field="activation_code")
    return browser.send(form.fill(login=NUMBER, activation_code=code), **expected)  # type: ignore[arg-type]


def _activate(world: World, code: str) -> None:
    with world.step("applicant", f"{NAME} activates with code and text; {PRINTED} refused") as step:
        browser = Browser(world.instance.url, NAME)
        page = _begin(browser, code).must_show("199****5511")
        form = page.form("", field="sms_code").fill(
            sms_code=_read_text(world), new=PRINTED, repeated=PRINTED
        )
        page = browser.send(form, expect=422, refused=True).must_show("初始密码")
        form = page.form("", field="sms_code").fill(
            sms_code=_read_text(world), new=CHOSEN, repeated=CHOSEN
        )
        browser.send(form)
        browser.get("/notifications/")
        world.browsers[NAME] = browser
        step.result = "signed in"


def _use_again(world: World, code: str) -> None:
    with world.step("public", "the code opens nothing a second time") as step:
        _begin(Browser(world.instance.url), code, expect=401, refused=True)
        step.result = "refused"


def _sign_in(world: World) -> None:
    with world.step("applicant", f"{NAME} signs in with the own password") as step:
        browser = Browser(world.instance.url, NAME).sign_in(NUMBER, CHOSEN)
        browser.get("/notifications/")
        step.result = "signed in"


def _read_text(world: World) -> str:
    """The code of the newest text, as the command prints it."""
    said = world.instance.portal("rehearsal", "codes", "--json")
    must(said.returncode == 0, said.stderr)
    return str(json.loads(said.stdout.splitlines()[0])["code"])
