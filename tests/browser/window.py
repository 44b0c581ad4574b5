"""A browser window and what must hold of every page it shows."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

Shoot = Callable[..., None]
"""shoot(name, clip=None): keep a picture of the window."""
PHONE, DESK = 360, 1280
HEIGHTS = {PHONE: 780, DESK: 800}
PATIENCE = 90
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--lang=zh-CN",
)
LOCAL_SCHEMES = ("data", "blob", "about", "chrome", "chrome-extension", "devtools")
WIDER_THAN_THE_WINDOW = """
const width = window.innerWidth, root = document.documentElement;
if (Math.max(root.scrollWidth, document.body.scrollWidth) <= width) return [];
return [...document.querySelectorAll("body *")]
  .filter((e) => e.getBoundingClientRect().right > width + 1)
  .map((e) => `${e.tagName}.${e.className} to ${Math.round(e.getBoundingClientRect().right)}`)
  .slice(0, 5).concat([`the page is ${root.scrollWidth} wide, the window ${width}`]);
"""
NOT_IN_THE_DOCUMENT = "does not belong to the document"
LOADED = "return document.readyState === 'complete'"


def start_chromium(chromium: str, chromedriver: str, profile: Path) -> Chrome:
    """Start a headless browser with a profile of its own; nothing is looked for or downloaded."""
    options = ChromeOptions()
    options.binary_location = chromium
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.add_experimental_option(
        "perfLoggingPrefs", {"enableNetwork": True, "enablePage": False}
    )
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = Chrome(options=options, service=Service(executable_path=chromedriver))
    driver.set_page_load_timeout(PATIENCE)
    return driver


def is_gone(element: WebElement) -> bool:
    """Whether the page of an element has been left; at the moment of changing, the driver says so
    in words of its own."""
    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    except WebDriverException as error:
        if NOT_IN_THE_DOCUMENT in str(error.msg):
            return True
        raise
    return False


class Window:
    """One window on the portal at `url`; the person in it may change."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver, self.url = driver, url
        self.width = DESK
        self.visited: list[str] = []
        self.cookies: dict[str, list[dict[str, Any]]] = {}
        self.person = ""
        self.resize(DESK)

    # ---- looking

    @property
    def path(self) -> str:
        """The address of the page without the host."""
        return urlsplit(self.driver.current_url).path

    @property
    def text(self) -> str:
        """What stands in the main part of the page."""
        return self.find("main").text

    def find(self, css: str) -> WebElement:
        """The first element for a CSS selector, awaited."""
        return self.until(lambda driver: driver.find_element(By.CSS_SELECTOR, css))

    def find_all(self, css: str) -> list[WebElement]:
        """All elements for a CSS selector now."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def show(self, css: str) -> None:
        """Scroll until an element stands at the top of the window."""
        self.run("arguments[0].scrollIntoView({behavior: 'instant'})", self.find(css))

    def link(self, part: str, text: str = "") -> WebElement:
        """The first link whose address and label contain these."""
        for found in self.find_all(f"a[href*='{part}']"):
            if text in (found.text or found.get_attribute("textContent") or ""):
                return found
        raise AssertionError(f"{self.path} has no link to {part} named {text}")

    def run(self, script: str, *args: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *args)

    def focused(self) -> WebElement:
        """The element that has the focus."""
        return self.driver.switch_to.active_element

    def until(self, holds: Any) -> Any:
        """Wait until something holds; what it gave."""
        passing = (NoSuchElementException, StaleElementReferenceException)
        return WebDriverWait(self.driver, PATIENCE, 0.05, passing).until(holds)

    # ---- going about

    def open(self, address: str) -> Window:
        """Open a page and check it."""
        self.driver.get(address if "://" in address else self.url + address)
        return self.check()

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """What happens inside leads to another page, which is checked."""
        before = self.driver.find_element(By.TAG_NAME, "html")
        yield
        self.until(lambda _driver: is_gone(before))
        self.until(lambda driver: driver.execute_script(LOADED))
        self.check()

    def follow(self, part: str, text: str = "") -> Window:
        """Follow a link as it stands on the page."""
        return self.press(self.link(part, text))

    def press(self, target: str | WebElement) -> Window:
        """Click something that leads to another page."""
        element = self.find(target) if isinstance(target, str) else target
        with self.leaving():
            self.click(element)
        return self

    def click(self, element: WebElement) -> None:
        """Click an element in the middle of the window, where nothing covers it."""
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def enter(self, css: str, text: str) -> None:
        """Replace what stands in a field."""
        field = self.find(css)
        field.clear()
        field.send_keys(text)

    def resize(self, width: int) -> Window:
        """Make the window a telephone's or a desk's."""
        self.width = width
        metrics = {"height": HEIGHTS[width], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": width, **metrics}
        )
        return self

    def use_scripts(self, *, on: bool) -> None:
        """Switch the scripts of pages on or off."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})

    def picture(self, clip: dict[str, int] | None = None) -> bytes:
        """The window as PNG, or a part of it (x, y, width, height); a phone's twice as fine."""
        metrics = {"width": self.width, "height": HEIGHTS[self.width], "mobile": False}
        fine = {"deviceScaleFactor": 2 if self.width == PHONE else 1}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics | fine)
        wanted = {"format": "png"} | ({"clip": clip | {"scale": 1}} if clip else {})
        answer = self.driver.execute_cdp_cmd("Page.captureScreenshot", wanted)
        self.resize(self.width)
        return b64decode(answer["data"])

    # ---- people

    def sign_in(self, login: str, password: str) -> Window:
        """Become a person, through the page of sign-in the first time."""
        if login == self.person:
            return self
        self.leave()
        if login in self.cookies:
            self.driver.execute_cdp_cmd("Network.setCookies", {"cookies": self.cookies[login]})
        else:
            self.open("/login/")
            self.enter("#login", login)
            self.enter("#password", password)
            self.press("form[name=login] button[type=submit]")
            assert self.path != "/login/", f"{login} could not sign in: {self.text}"
            found = self.driver.execute_cdp_cmd("Network.getCookies", {})["cookies"]
            self.cookies[login] = found
        self.person = login
        return self

    def leave(self) -> Window:
        """Become anybody."""
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.person = ""
        return self

    # ---- checking

    def check(self, *, status: int = 200) -> Window:
        """The page came whole from this host, without errors, and does not scroll sideways."""
        self.visited.append(f"{self.path} at {self.width}")
        faults = [*self._network_faults(status), *self._console_faults(status), *self.sideways()]
        assert not faults, f"{self.driver.current_url} at {self.width} px: {faults}"
        return self

    def sideways(self) -> list[str]:
        """What makes the page wider than the window."""
        return list(self.run(WIDER_THAN_THE_WINDOW))

    def _network_faults(self, status: int) -> Iterator[str]:
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                url = event["params"]["request"]["url"]
                if not self._is_own(url):
                    yield f"asked another host: {url}"
            elif event["method"] == "Network.responseReceived":
                answer = event["params"]["response"]
                wanted = status if event["params"]["type"] == "Document" else 200
                if answer["status"] >= 400 and answer["status"] != wanted:
                    yield f"{answer['url']} answered {answer['status']}"

    def _is_own(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme in LOCAL_SCHEMES or url.startswith(self.url + "/")

    def _console_faults(self, status: int) -> Iterator[str]:
        for entry in self.driver.get_log("browser"):
            is_told_already = entry["source"] == "network"
            if entry["level"] == "SEVERE" and not is_told_already:
                yield f"console: {entry['message']}"
