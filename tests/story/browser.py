"""A person at a browser: a cookie jar, the page last seen, forms filled in as they are offered."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from tests.story.markup import Element, Form, forms_of, parse

TIMEOUT = 60
LAST_REDIRECT = 10
File = tuple[str, bytes, str]
"""(file name, content, media type) of an upload."""


class StoryError(AssertionError):
    """A step did not hold; `page` is what was on the screen."""

    def __init__(self, said: str, page: Page | None = None) -> None:
        super().__init__(said)
        self.page = page


@dataclass
class Page:
    """One answer of the portal."""

    address: str
    status: int
    content: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._root: Element | None = None

    @property
    def path(self) -> str:
        """The address without the host."""
        return urlsplit(self.address).path

    @property
    def root(self) -> Element:
        """The page as a tree; empty for files."""
        if self._root is None:
            is_text = self.media_type.startswith(("text/html", "application/xhtml"))
            self._root = parse(self.content.decode("utf-8", "replace") if is_text else "")
        return self._root

    @property
    def main(self) -> Element:
        """The part below the frame."""
        found = [e for e in self.root.walk() if e.tag == "main"]
        return found[0] if found else self.root

    @property
    def text(self) -> str:
        """What one reads on the page."""
        return self.root.text

    @property
    def messages(self) -> list[str]:
        """The alerts and faults the page shows."""
        found = self.root.by_class("alert") + self.root.by_class("error-summary")
        found += self.root.by_class("invalid-feedback")
        return list(dict.fromkeys(e.text for e in found if e.text))

    @property
    def refusals(self) -> list[str]:
        """What the page says was refused."""
        found = self.root.by_class("alert-danger") + self.root.by_class("error-summary")
        return [e.text for e in found if e.text]

    @property
    def forms(self) -> list[Form]:
        """Every form of the page."""
        found = forms_of(self.root)
        for form in found:
            form.action = form.action or self.address
        return found

    def must_show(self, *texts: str) -> Page:
        """Fail unless all these texts can be read."""
        for text in texts:
            if text not in self.text:
                raise StoryError(f"the page does not show “{text}”", self)
        return self

    def must_not_show(self, *texts: str) -> Page:
        """Fail if one of these texts stands anywhere in the answer, seen or not."""
        whole = self.content.decode("utf-8", "replace")
        for text in texts:
            if text in whole:
                raise StoryError(f"the page holds “{text}”", self)
        return self

    def links(self, part: str = "", text: str = "") -> list[str]:
        """The addresses of links whose address and label contain these."""
        return [
            urljoin(self.address, e.attrs.get("href", ""))
            for e in self.root.find_all("a")
            if part in e.attrs.get("href", "") and text in e.text
        ]

    def link(self, part: str = "", text: str = "") -> str:
        """The first such link; fails when there is none."""
        found = self.links(part, text)
        if not found:
            raise StoryError(f"no link to “{part}” named “{text}”", self)
        return found[0]

    def rows(self, text: str) -> list[Element]:
        """The table rows that contain a text."""
        return [row for row in self.root.find_all("tr") if text in row.text]

    def has_form(self, action: str = "", *, field: str = "") -> bool:
        """Whether the page offers such a form."""
        return any(_fits(form, action, field) for form in self.forms)

    def form(self, action: str = "", *, field: str = "", near: str = "") -> Filling:
        """The form whose address contains `action`, that has a field, near a text."""
        for form in self.forms:
            if _fits(form, action, field) and (not near or near in _around(form, self.root)):
                return Filling(self, form)
        raise StoryError(f"no form to “{action}” with field “{field}” near “{near}”", self)


def _fits(form: Form, action: str, field_name: str) -> bool:
    targets = [form.action, *(pair[0] for b in form.buttons for pair in b.choices)]
    return any(action in target for target in targets) and (
        not field_name or bool(form.named(field_name))
    )


def _around(form: Form, root: Element) -> str:
    """The text of the row, list item, card or section a form stands in."""
    holders = [
        e
        for e in root.walk()
        if e.tag in ("tr", "li", "section", "article") and any(x is form.element for x in e.walk())
    ]
    return (holders[-1] if holders else form.element).text


class Filling:
    """A form being filled in; only what the page offers can be entered."""

    def __init__(self, page: Page, form: Form) -> None:
        self.page, self.form = page, form
        self.values: list[tuple[str, str]] = [
            (c.name, c.value)
            for c in form.controls
            if c.is_checked and not c.is_disabled and c.kind != "file"
        ]
        self.files: list[tuple[str, File]] = []

    def fill(self, **values: Any) -> Filling:
        """Enter values by the names of the fields."""
        return self.enter(values)

    def enter(self, values: Mapping[str, Any]) -> Filling:
        """Enter values; a list ticks several boxes, True and False tick or clear one."""
        for name, value in values.items():
            controls = self.form.named(name)
            if not controls:
                offered = ", ".join(self.form.names())
                raise StoryError(f"the form has no field “{name}” (it has: {offered})", self.page)
            self._set(name, value)
        return self

    def _set(self, name: str, value: Any) -> None:
        self.values = [(n, v) for n, v in self.values if n != name]
        if value is True:
            self.values.append((name, self.form.named(name)[0].value))
        elif isinstance(value, list | tuple):
            self.values += [(name, str(each)) for each in value]
        elif value is not False and value is not None:
            self.values.append((name, str(value)))

    def choose(self, name: str, label: str) -> Filling:
        """Choose the option whose label contains a text."""
        for value, shown in self.form.choices(name):
            if value and label in shown:
                self._set(name, value)
                return self
        offered = ", ".join(shown for _value, shown in self.form.choices(name))
        raise StoryError(f"“{name}” does not offer “{label}” (it offers: {offered})", self.page)

    def upload(self, name: str, file: File) -> Filling:
        """Attach a file."""
        if not any(c.kind == "file" for c in self.form.named(name)):
            raise StoryError(f"the form takes no file “{name}”", self.page)
        self.files.append((name, file))
        return self

    def value_of(self, name: str) -> str:
        """What stands in a field now."""
        found = [v for n, v in self.values if n == name]
        return found[0] if found else ""


class Browser:
    """One person's browser, signed in or not."""

    def __init__(self, url: str, name: str = "") -> None:
        self.url, self.name = url, name
        self.session = requests.Session()
        self.session.trust_env = False
        self.page = Page(url, 0, b"", "")
        self.seconds = 0.0
        self.requests = 0

    def sign_in(self, login: str, password: str) -> Browser:
        """Sign in through the page."""
        self.get("/login/")
        self.send(self.page.form("/login/").fill(login=login, password=password))
        if self.page.path.startswith("/login"):
            raise StoryError(f"{login} could not sign in", self.page)
        return self

    def get(self, address: str, *, expect: int | None = 200) -> Page:
        """Open a page."""
        return self._ask("GET", urljoin(self.page.address, address), expect=expect)

    def click(self, part: str = "", text: str = "") -> Page:
        """Follow a link of the present page."""
        return self.get(self.page.link(part, text))

    def send(
        self, filling: Filling, *, button: str = "", expect: int | None = 200, refused: bool = False
    ) -> Page:
        """Send a form, by the button of that label or name, and follow where it leads.

        Fails when the portal answers with a refusal, or, where one is expected, without.
        """
        page = self._send(filling, button, expect)
        if bool(page.refusals) is not refused:
            said = "; ".join(page.refusals) or "it was not refused"
            raise StoryError(f"{filling.form.action or page.path}: {said}", page)
        return page

    def press(self, action: str, *, near: str = "", refused: bool = False, **values: Any) -> Page:
        """Send the form of the present page that goes to an address containing `action`."""
        filling = self.page.form(action, near=near).enter(values)
        return self.send(filling, refused=refused)

    def _send(self, filling: Filling, button: str, expect: int | None) -> Page:
        form, page = filling.form, filling.page
        values, target = list(filling.values), form.action or page.address
        for pressed in form.buttons:
            label = pressed.choices[0][1] if pressed.choices else pressed.value
            if button and button not in (pressed.name, pressed.value) and button not in label:
                continue
            if pressed.name:
                values.append((pressed.name, pressed.value))
            if pressed.choices and pressed.choices[0][0]:
                target = pressed.choices[0][0]
            break
        else:
            if button:
                raise StoryError(f"the form has no button “{button}”", page)
        address = urljoin(page.address, target)
        if form.method == "get":
            return self._ask("GET", address, params=values, expect=expect)
        return self._ask("POST", address, data=values, files=filling.files or None, expect=expect)

    def post(self, address: str, values: Mapping[str, Any], *, expect: int | None = None) -> Page:
        """Send fields no form of the page offers, with the token of the page: for refusals."""
        token = next((c.value for form in self.page.forms for c in form.named("csrf_token")), "")
        data = [("csrf_token", token), *values.items()]
        return self._ask("POST", urljoin(self.url, address), data=data, expect=expect)

    def _ask(self, method: str, address: str, *, expect: int | None, **kwargs: Any) -> Page:
        start = time.monotonic()
        for _hop in range(LAST_REDIRECT):
            answer = self.session.request(
                method,
                address,
                timeout=TIMEOUT,
                allow_redirects=False,
                headers={"Referer": self.page.address},
                **kwargs,
            )
            self.requests += 1
            if answer.status_code not in (301, 302, 303, 307, 308) or expect == answer.status_code:
                break
            method, address, kwargs = "GET", urljoin(address, answer.headers["Location"]), {}
        self.seconds += time.monotonic() - start
        self.page = Page(
            answer.url,
            answer.status_code,
            answer.content,
            answer.headers.get("Content-Type", ""),
            answer.headers,
        )
        if expect is not None and answer.status_code != expect:
            raise StoryError(f"{method} {address} answered {answer.status_code}", self.page)
        return self.page


def describe(page: Page) -> Iterator[str]:
    """What was on the screen, for the end of a failed story."""
    yield f"{page.status} {page.address}"
    for message in page.messages:
        yield f"! {message}"
    body = page.main.text
    yield body[:1500] + ("…" if len(body) > 1500 else "")
    for form in page.forms:
        yield f"form {form.method} {form.action}: {', '.join(form.names())}"
