"""A screen as it will look, drawn from its definition with sample values: form, list, record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flask_babel import gettext as _

from app.domain.workflow import ActorRole
from app.services.definitions.properties import FIELD_KIND_LABELS, SHEET
from app.services.definitions.role_view import as_role_sees, is_open
from app.services.form_definition import Label
from app.views.screens.panel import entries_of
from app.views.screens.words import name_of_item, say

WIDE: Final = frozenset({"long_text", "rows", "file", "multiple_choice"})
SAMPLE_ROWS: Final = 2
LAST: Final = float("inf")


@dataclass
class PictureField:
    """One field as it will look."""

    path: str
    name: str
    label: str
    help: str
    kind: str
    kind_label: str
    width: str
    is_required: bool
    is_read_only: bool
    is_custom: bool
    is_open: bool
    in_form: bool
    in_show: bool
    samples: list[str]
    options: list[str] = field(default_factory=list)
    columns: list[PictureField] = field(default_factory=list)


@dataclass
class PictureSection:
    """A section with its fields in the order shown."""

    path: str
    key: str
    label: str
    help: str
    fields: list[PictureField]
    is_custom: bool = False

    @property
    def form_fields(self) -> list[PictureField]:
        """What its form shows."""
        return [each for each in self.fields if each.is_open and each.in_form]

    @property
    def shown_fields(self) -> list[PictureField]:
        """What its record page shows."""
        return [each for each in self.fields if each.is_open and each.in_show]


@dataclass
class Picture:
    """The whole screen."""

    label: str
    kind: str
    sections: list[PictureSection]
    columns: list[PictureField]
    filters: list[PictureField]
    heads: list[tuple[str, str]]


def draw_picture(definition: Mapping[str, Any], role: ActorRole | None = None) -> Picture:
    """A screen as it will look; with `role` as that role would see it."""
    shown = as_role_sees(definition, role) if role else definition
    sections = [*_sections(shown)]
    pairs = [(drawn, given) for section in sections for drawn, given in section[1] if drawn.is_open]
    listed, filters = (
        sorted((pair for pair in pairs if pair[1].get(place)), key=_list_place)
        for place in ("in_list", "in_filter")
    )
    heads = shown.get("headings") if shown.get("kind") == SHEET else None
    return Picture(
        label=name_of_item(shown),
        kind=str(shown.get("kind")),
        sections=[drawn for drawn, _fields in sections],
        columns=[drawn for drawn, _given in listed],
        filters=[drawn for drawn, _given in filters],
        heads=[*heads.items()] if heads else [],
    )


def _list_place(pair: Pair) -> float:
    place = pair[1].get("list_place")
    return LAST if place is None else float(place)


Pair = tuple[PictureField, Mapping[str, Any]]


def _sections(definition: Mapping[str, Any]) -> Iterator[tuple[PictureSection, list[Pair]]]:
    """Each section with the fields it shows: its own, then those moved there."""
    given = definition.get("sections") or ()
    names = entries_of({f["dictionary"] for f in _all(given) if f.get("dictionary")})
    keys = {section["key"] for section in given}
    homes: dict[str, list[Pair]] = {key: [] for key in keys}
    guests: dict[str, list[Pair]] = {key: [] for key in keys}
    for section in given:
        for each in section.get("fields", ()):
            drawn = _draw(each, f"sections/{section['key']}/fields/{each['name']}", names)
            target = each.get("moved_to")
            place = guests[target] if target in keys else homes[section["key"]]
            place.append((drawn, each))
    for section in given:
        pairs = homes[section["key"]] + guests[section["key"]]
        yield (
            PictureSection(
                path=f"sections/{section['key']}",
                key=section["key"],
                label=name_of_item(section),
                help=_help(section),
                fields=[drawn for drawn, _each in pairs],
                is_custom=bool(section.get("is_custom")),
            ),
            pairs,
        )


def _all(sections: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for section in sections:
        for each in section.get("fields", ()):
            yield each
            yield from each.get("columns", ())


def _help(item: Mapping[str, Any]) -> str:
    return say(Label(str(item.get("help") or ""), str(item.get("help_zh") or "")))


def _draw(
    given: Mapping[str, Any], path: str, names: Mapping[str, list[tuple[str, str]]]
) -> PictureField:
    kind = str(given.get("kind"))
    options = _options(given, names)
    return PictureField(
        path=path,
        name=str(given["name"]),
        label=name_of_item(given),
        help=_help(given),
        kind=kind,
        kind_label=_(FIELD_KIND_LABELS[kind]) if kind in FIELD_KIND_LABELS else kind,
        width=str(given.get("width") or ("full" if kind in WIDE else "half")),
        is_required=bool(given.get("is_required")),
        is_read_only=bool(given.get("is_read_only")),
        is_custom=bool(given.get("is_custom")),
        is_open=is_open(given),
        in_form=given.get("in_form") is not False,
        in_show=given.get("in_show") is not False,
        samples=[_sample(kind, options, number) for number in range(SAMPLE_ROWS)],
        options=options,
        columns=[
            _draw(column, f"{path}/columns/{column['name']}", names)
            for column in given.get("columns", ())
        ],
    )


def _options(given: Mapping[str, Any], names: Mapping[str, list[tuple[str, str]]]) -> list[str]:
    if given.get("dictionary"):
        return [name for _code, name in names.get(given["dictionary"], [])]
    return [
        name_of_item(option) for option in given.get("options", ()) if not option.get("is_retired")
    ]


def _sample(kind: str, options: list[str], number: int) -> str:
    """A value that belongs to nobody."""
    if options:
        return options[number % len(options)]
    samples = {
        "number": ("12", "36"),
        "date": ("2022-08-03", "2022-11-30"),
        "month": ("2018-07", "2021-03"),
        "boolean": (_("Yes"), _("No")),
        "person": (_("Person A"), _("Person B")),
        "unit": (_("Unit A"), _("Unit B")),
        "division": (_("Division A"), _("Division B")),
        "file": (_("file.pdf"), "—"),
        "rows": (_("2 rows"), _("1 row")),
    }
    return samples.get(kind, (_("Sample one"), _("Sample two")))[number]
