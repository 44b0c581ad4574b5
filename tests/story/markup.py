"""Just enough HTML: a tree of elements, their text, and the forms a person would fill in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

EMPTY_TAGS = frozenset(
    ("area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "use", "wbr")
)
SILENT_TAGS = frozenset(("script", "style", "template", "noscript", "option"))
CLOSED_BY_SIBLING = {
    "li": {"li"},
    "dt": {"dt", "dd"},
    "dd": {"dt", "dd"},
    "tr": {"tr", "td", "th"},
    "td": {"td", "th"},
    "th": {"td", "th"},
    "option": {"option"},
    "p": {"p"},
}
"""An element that opens ends these, where the page left their closing tag out."""


@dataclass
class Element:
    """One element; `children` holds elements and pieces of text."""

    tag: str
    attrs: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """This element and everything below it, in the order of the page; blanks are left out."""
        yield self
        for child in self.children:
            if isinstance(child, Element) and child.tag != "template":
                yield from child.walk()

    def find_all(self, *tags: str) -> list[Element]:
        """The elements of these names below this one."""
        return [found for found in self.walk() if found.tag in tags and found is not self]

    def by_class(self, name: str) -> list[Element]:
        """The elements with a class."""
        return [found for found in self.walk() if name in found.attrs.get("class", "").split()]

    @property
    def text(self) -> str:
        """What one reads, with single blanks."""
        return " ".join("".join(self._pieces()).split())

    def _pieces(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.tag not in SILENT_TAGS:
                yield from child._pieces()
                yield " "


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("document")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.open[-1].tag in CLOSED_BY_SIBLING.get(tag, ()):
            self.open.pop()
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in EMPTY_TAGS:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self.open) - 1, 0, -1):
            if self.open[place].tag == tag:
                del self.open[place:]
                return

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(html: str) -> Element:
    """The tree of a page."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    return builder.root


@dataclass
class Control:
    """One field of a form as the page shows it."""

    name: str
    kind: str
    value: str = ""
    is_checked: bool = True
    choices: list[tuple[str, str]] = field(default_factory=list)
    is_disabled: bool = False
    accept: str = ""


@dataclass
class Form:
    """One form of a page: where it goes, its fields and its buttons."""

    action: str
    method: str
    element: Element
    controls: list[Control]
    buttons: list[Control]

    def named(self, name: str) -> list[Control]:
        """The fields of a name."""
        return [control for control in self.controls if control.name == name]

    def names(self) -> list[str]:
        """The names of its fields, once each."""
        return list(dict.fromkeys(control.name for control in self.controls))

    def choices(self, name: str) -> list[tuple[str, str]]:
        """The (value, label) pairs of a select, of radio buttons or of check boxes."""
        return [pair for control in self.named(name) for pair in control.choices]


def forms_of(root: Element) -> list[Form]:
    """Every form of a page, with the fields that belong to it by their `form` attribute."""
    return [_form(element, root) for element in root.find_all("form")]


def _form(element: Element, root: Element) -> Form:
    own_id = element.attrs.get("id")
    members = [e for e in element.walk() if e.attrs.get("form") in (None, own_id)]
    if own_id:
        inside = set(map(id, members))
        members += [e for e in root.walk() if e.attrs.get("form") == own_id and id(e) not in inside]
    controls: list[Control] = []
    buttons: list[Control] = []
    for member in members:
        if member.tag == "button" and member.attrs.get("type", "submit") == "submit":
            attrs = member.attrs
            buttons.append(Control(attrs.get("name", ""), "submit", attrs.get("value", "")))
            buttons[-1].choices = [(attrs.get("formaction", ""), member.text)]
        elif member.tag in ("input", "select", "textarea") and member.attrs.get("name"):
            control = _control(member, root)
            (buttons if control.kind == "submit" else controls).append(control)
    attrs = element.attrs
    return Form(
        attrs.get("action", ""), attrs.get("method", "get").lower(), element, controls, buttons
    )


def _control(member: Element, root: Element) -> Control:
    attrs = member.attrs
    control = Control(attrs["name"], attrs.get("type", "text"), attrs.get("value", ""))
    control.is_disabled = "disabled" in attrs
    control.accept = attrs.get("accept", "")
    if member.tag == "textarea":
        control.kind, control.value = "textarea", "".join(member._pieces()).strip("\n")
    elif member.tag == "select":
        _read_select(member, control)
    elif control.kind in ("radio", "checkbox"):
        control.is_checked = "checked" in attrs
        control.value = attrs.get("value", "on")
        control.choices = [(control.value, _label_of(member, root))]
    return control


def _read_select(member: Element, control: Control) -> None:
    options = member.find_all("option")
    control.kind = "multiple" if "multiple" in member.attrs else "select"
    for option in options:
        label = " ".join("".join(option._pieces()).split())
        control.choices.append((option.attrs.get("value", label), label))
    chosen = [
        value
        for option, (value, _label) in zip(options, control.choices, strict=True)
        if "selected" in option.attrs
    ]
    if chosen:
        control.value = chosen[0]
    elif control.kind == "select" and control.choices:
        control.value = control.choices[0][0]
    control.is_checked = bool(chosen) or control.kind == "select"


def _label_of(member: Element, root: Element) -> str:
    own_id = member.attrs.get("id")
    for label in root.find_all("label"):
        if (own_id and label.attrs.get("for") == own_id) or any(e is member for e in label.walk()):
            return label.text
    return ""
