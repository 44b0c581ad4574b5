"""What a single field can be wrong about: its options, bounds, default, rows, rights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from app.domain.messages import N_
from app.services.definitions.dictionary_codes import codes_of, dictionary_codes
from app.services.definitions.findings import Finding, checks
from app.services.definitions.places import Place, live_places, name_of
from app.services.definitions.registered import (
    CHOICES,
    CONDITIONS,
    ENUMERATIONS,
    NO_DEFAULT,
    ROLES,
    SOURCES,
    TEXTS,
)

Definition = Mapping[str, Any]
MOST_ROWS = 50
"""Rows of a table that says nothing of its most rows (form_definition.Field)."""


def _find(code: str, place: Place, template: str, **params: object) -> Finding:
    return Finding(code, place.path, template, {"field": place.title, **params})


@checks("form", "record")
def check_required(definition: Definition) -> Iterator[Finding]:
    """A required field must be one that somebody can fill in."""
    for place in live_places(definition):
        if not place.has("is_required"):
            continue
        given = place.given
        is_off_form = given.get("in_form") is False and not place.has("is_read_only")
        if (place.has("is_hidden") or is_off_form) and "default" not in given:
            yield _find(
                "required_hidden",
                place,
                N_("%(field)s: required, but hidden. Show it in the form, or make it optional."),
            )
        filled = place.has("source") or "default" in given
        if place.has("is_read_only") and place.has("is_custom") and not filled:
            yield _find(
                "required_read_only",
                place,
                N_(
                    "%(field)s: required, but nobody may type it. Give it a default, or let it be "
                    "typed."
                ),
            )
        editors = {*(given.get("edit_roles") or ())}
        sees = {*(given.get("see_roles") or ())} or editors
        fills_in = {"applicant"} if definition["kind"] == "form" else editors
        if editors and not editors & sees & fills_in:
            yield _find(
                "required_without_editor",
                place,
                N_(
                    "%(field)s: required, but no role that fills in this page may change it. "
                    "Choose one."
                ),
            )


@checks("form", "record")
def check_options(definition: Definition) -> Iterator[Finding]:
    """Where the options of a choice come from, and that there are some."""
    for place in live_places(definition):
        origins = [word for word in ("dictionary", "options", "source") if place.given.get(word)]
        if place.kind not in CHOICES:
            if {*origins} - ({"source"} if place.kind == "file" else set()):
                yield _find(
                    "options_of_other_kind",
                    place,
                    N_("%(field)s: only a choice has options. Take them out, or make it a choice."),
                )
            continue
        if len(origins) > 1:
            yield _find(
                "options_mixed",
                place,
                N_("%(field)s: its options come from two places. Keep the dictionary or the list."),
            )
        elif not origins and not place.given.get("enumeration"):
            yield _find(
                "choice_without_options",
                place,
                N_("%(field)s: a choice without options. Choose a dictionary, or enter options."),
            )
        yield from _check_dictionary(place)
        yield from _check_own_options(place)


def _check_dictionary(place: Place) -> Iterator[Finding]:
    key = str(place.given.get("dictionary") or "")
    if not key:
        return
    codes = dictionary_codes(key)
    if codes is None:
        yield _find(
            "dictionary_unknown",
            place,
            N_("%(field)s: the dictionary “%(key)s” does not exist. Choose one from the list."),
            key=key,
        )
    elif not codes:
        yield _find(
            "dictionary_empty",
            place,
            N_("%(field)s: the dictionary “%(key)s” is empty. Add entries first."),
            key=key,
        )
    elif not any(codes.values()):
        yield _find(
            "dictionary_switched_off",
            place,
            N_(
                "%(field)s: every entry of the dictionary “%(key)s” is switched off. Switch one "
                "on first."
            ),
            key=key,
        )


def _check_own_options(place: Place) -> Iterator[Finding]:
    options = place.given.get("options") or []
    live = [option for option in options if not option.get("is_retired")]
    if options and not live:
        yield _find(
            "options_all_retired",
            place,
            N_("%(field)s: all its options are retired. Bring one back, or retire the field."),
        )
    names = [str(o.get("label_zh") or o.get("name") or o.get("label") or "") for o in live]
    if not all(name.strip() for name in names):
        yield _find(
            "option_without_label", place, N_("%(field)s: an option has no name. Enter one.")
        )
    twice = {name for name in names if name and names.count(name) > 1}
    for name in sorted(twice):
        yield _find(
            "option_names_equal",
            place,
            N_("%(field)s: two options are called “%(name)s”. Tell them apart."),
            name=name[:40],
        )


@checks("form", "record")
def check_words_of_the_program(definition: Definition) -> Iterator[Finding]:
    """What names something of the program names it by a registered word."""
    known = {"required_when": CONDITIONS, "source": SOURCES, "enumeration": {*ENUMERATIONS}}
    for place in live_places(definition):
        for what, words in known.items():
            word = place.given.get(what)
            if word and word not in words:
                yield _find(
                    f"{what}_unknown",
                    place,
                    N_("%(field)s: “%(word)s” is not known as %(what)s. Choose one of: %(words)s."),
                    word=word,
                    what=what,
                    words=", ".join(sorted(words)),
                )


@checks("form", "record")
def check_bounds(definition: Definition) -> Iterator[Finding]:
    """Bounds in their order, and of the kind that has them."""
    for place in live_places(definition):
        given = place.given
        low, high = given.get("minimum"), given.get("maximum")
        if place.kind != "number" and (low is not None or high is not None):
            yield _find(
                "bounds_of_other_kind",
                place,
                N_("%(field)s: only a number has a smallest and a largest value. Take them out."),
            )
        elif low is not None and high is not None and low > high:
            yield _find(
                "bounds_crossed",
                place,
                N_("%(field)s: the smallest value %(low)s is above the largest, %(high)s."),
                low=low,
                high=high,
            )
        if place.kind not in TEXTS and "max_length" in given:
            yield _find(
                "length_of_other_kind",
                place,
                N_("%(field)s: only a text has a length. Take it out."),
            )


@checks("form", "record")
def check_rows(definition: Definition) -> Iterator[Finding]:
    """Tables of rows: with columns, not within each other, bounds in order."""
    for place in live_places(definition):
        given = place.given
        if place.kind != "rows":
            if given.get("columns"):
                yield _find(
                    "columns_of_other_kind",
                    place,
                    N_("%(field)s: only a table of rows has columns. Take them out."),
                )
            if "min_rows" in given or "max_rows" in given:
                yield _find(
                    "row_bounds_of_other_kind",
                    place,
                    N_("%(field)s: only a table of rows has a number of rows. Take it out."),
                )
            continue
        if place.owner is not None:
            yield _find(
                "rows_within_rows",
                place,
                N_("%(field)s: a table of rows cannot stand within another. Make it a field."),
            )
            continue
        if not any(not column.get("is_retired") for column in given.get("columns", ())):
            yield _find(
                "rows_without_columns",
                place,
                N_("%(field)s: a table of rows without columns. Add one."),
            )
        least, most = given.get("min_rows", 0), given.get("max_rows", MOST_ROWS)
        if least > most:
            yield _find(
                "row_bounds_crossed",
                place,
                N_("%(field)s: at least %(least)s rows are more than the most, %(most)s."),
                least=least,
                most=most,
            )


@checks("form", "record")
def check_default(definition: Definition) -> Iterator[Finding]:
    """A default must be a value somebody could have entered."""
    for place in live_places(definition):
        if "default" not in place.given:
            continue
        if place.kind in NO_DEFAULT:
            yield _find(
                "default_impossible",
                place,
                N_("%(field)s: a field of this kind has no default. Take it out."),
            )
        else:
            yield from _check_default(place, place.given["default"])


def _check_default(place: Place, value: Any) -> Iterator[Finding]:
    given = place.given
    if not _is_of_kind(place.kind, value):
        yield _find(
            "default_of_other_kind",
            place,
            N_("%(field)s: the default “%(value)s” is no value of this kind. Enter another."),
            value=str(value)[:40],
        )
        return
    if place.kind in TEXTS and len(value) > given.get("max_length", len(value)):
        yield _find(
            "default_too_long",
            place,
            N_("%(field)s: the default is longer than %(limit)s characters."),
            limit=given["max_length"],
        )
    low, high = given.get("minimum"), given.get("maximum")
    if place.kind == "number" and (
        (low is not None and value < low) or (high is not None and value > high)
    ):
        yield _find(
            "default_out_of_bounds",
            place,
            N_("%(field)s: the default %(value)s is out of bounds."),
            value=value,
        )
    offered = codes_of(given, with_retired=False)
    if offered is not None and str(value) not in offered:
        yield _find(
            "default_not_offered",
            place,
            N_("%(field)s: the default “%(value)s” is none of its options."),
            value=str(value)[:40],
        )


def _is_of_kind(kind: str, value: Any) -> bool:
    match kind:
        case "boolean":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "date":
            return isinstance(value, str) and _is_date(value)
        case "month":
            return (
                isinstance(value, str) and re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", value) is not None
            )
        case "choice" | "multiple_choice":
            return not isinstance(value, bool)
        case _:
            return isinstance(value, str)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


@checks("form", "record")
def check_roles(definition: Definition) -> Iterator[Finding]:
    """Who sees a field and who changes it."""
    for place in live_places(definition):
        see, edit = place.given.get("see_roles"), place.given.get("edit_roles")
        for role in sorted({*(see or ()), *(edit or ())} - ROLES):
            yield _find(
                "role_unknown",
                place,
                N_("%(field)s: the role “%(role)s” does not exist. Choose one from the list."),
                role=role,
            )
        if see and {*(edit or ())} - {*see} and not place.has("is_required"):
            yield _find(
                "editor_without_sight",
                place,
                N_("%(field)s: a role may change it that does not see it. Let it see the field."),
            )


@checks("form", "record")
def check_publicised(definition: Definition) -> Iterator[Finding]:
    """What a publicity may show (rules B4, F1): no files, no numbers of persons."""
    for place in live_places(definition):
        if not place.has("is_publicised"):
            continue
        if place.kind == "file":
            yield _find(
                "publicised_file",
                place,
                N_("%(field)s: files are not published. Take “shown in publicity” away."),
            )
        if is_personal(place):
            yield _find(
                "publicised_number",
                place,
                N_(
                    "%(field)s: document, telephone and account numbers of persons are never "
                    "published. Take “shown in publicity” away."
                ),
            )


PERSONAL_NAMES = frozenset({"document_number", "identity_number", "phone", "born_on", "email"})
PERSONAL_WORDS = ("身份证", "证件号", "护照号", "手机", "电话", "银行", "住址", "出生日期", "邮箱")


def is_personal(place: Place) -> bool:
    """Whether a field holds what identifies a person beyond name and unit, by name or label."""
    label = name_of(place.given)
    return place.name in PERSONAL_NAMES or any(word in label for word in PERSONAL_WORDS)
