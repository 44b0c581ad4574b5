"""Labels and helps: there, in both languages, told apart, short enough, nothing but text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from app.domain.messages import N_
from app.domain.sheets import normalise_heading
from app.services.definitions.findings import Finding, checks
from app.services.definitions.places import Place, live_places, name_of, shown_section

Definition = Mapping[str, Any]

LONGEST_LABEL = 40
"""Characters of a Chinese label: two lines of a card 360 px wide, or of a heading in Excel."""

LONGEST_ENGLISH = 120
MARKUP = re.compile(r"</?[a-zA-Z!]|&(#\d+|#x[0-9a-f]+|[a-z]+);|\{\{|\{%|\{#|javascript:", re.I)


@checks("form", "record")
def check_labels(definition: Definition) -> Iterator[Finding]:
    """Everything that has a label has it in both languages, as plain text of a bearable length."""
    for path, given, kind in _labelled(definition):
        params = {"field": name_of(given)[:60]}
        label, chinese = str(given["label"]).strip(), str(given.get("label_zh") or "").strip()
        if not label and not chinese:
            yield Finding("label_missing", path, N_("A label is missing. Enter it."))
        elif not label or not chinese:
            yield Finding(
                "label_in_one_language",
                path,
                N_("%(field)s: the label is there in one language only. Enter the other, too."),
                params,
            )
        is_long = len(chinese) > LONGEST_LABEL or len(label) > LONGEST_ENGLISH
        if is_long and kind != "boolean":
            yield Finding(
                "label_too_long",
                path,
                N_(
                    "%(field)s: the label is too long for a narrow screen and a column of Excel; "
                    "at most %(limit)s characters. Put the rest into the help."
                ),
                {**params, "limit": LONGEST_LABEL},
            )
        yield from _check_plain(path, given, params)


def _labelled(definition: Definition) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    yield "label", definition, ""
    for section in definition["sections"]:
        yield f"sections/{section['key']}", section, ""
    for place in live_places(definition):
        yield place.path, place.given, place.kind


def _check_plain(
    path: str, given: Mapping[str, Any], params: Mapping[str, object]
) -> Iterator[Finding]:
    texts = [str(given.get(key) or "") for key in ("label", "label_zh", "help", "help_zh")]
    for option in given.get("options") or ():
        texts += [str(option.get(key) or "") for key in ("label", "label_zh", "name")]
    if any(MARKUP.search(text) for text in texts):
        yield Finding(
            "text_with_markup",
            path,
            N_("%(field)s: texts are shown as they are typed; take out tags and {{ }}."),
            params,
        )
    if any(_has_invisible(text) for text in texts):
        yield Finding(
            "text_with_invisible_characters",
            path,
            N_("%(field)s: a text holds characters that are not seen. Type it anew."),
            params,
        )


def _has_invisible(text: str) -> bool:
    return any(
        unicodedata.category(c) in {"Cc", "Cf", "Co", "Cs"} and c not in "\n\t" for c in text
    )


@checks("form", "record")
def check_labels_apart(definition: Definition) -> Iterator[Finding]:
    """No two fields of a page, columns of rows or headings of a sheet are called the same."""
    seen: dict[tuple[str, str], Place] = {}
    headings: dict[str, Place] = {}
    for place in live_places(definition):
        page = shown_section(place) if place.owner is None else place.path.rpartition("/")[0]
        same = seen.setdefault((page, place.title.strip()), place)
        if same is not place:
            yield Finding(
                "labels_equal",
                place.path,
                N_("Two fields of one page are called “%(field)s”. Tell them apart."),
                {"field": place.title},
            )
        is_heading = definition["kind"] == "record" and place.given.get("in_excel", True)
        if place.owner is not None or not is_heading or place.has("is_hidden"):
            continue
        twin = headings.setdefault(normalise_heading(place.title), place)
        if twin is not place and same is place:
            yield Finding(
                "headings_equal",
                place.path,
                N_(
                    "%(field)s and %(other)s: Excel could not tell the two headings apart. Change "
                    "one label."
                ),
                {"field": place.title, "other": twin.title},
            )


@checks("sheet")
def check_sheet(definition: Definition) -> Iterator[Finding]:
    """The printed heads of a form: told apart, plain."""
    seen: dict[str, str] = {}
    for key, heading in definition["headings"].items():
        path = f"headings/{key}"
        other = seen.setdefault(normalise_heading(heading), heading)
        if other is not heading:
            yield Finding(
                "headings_equal",
                path,
                N_(
                    "%(field)s and %(other)s: Excel could not tell the two headings apart. Change "
                    "one label."
                ),
                {"field": heading, "other": other},
            )
        yield from _check_plain(path, {"label": heading}, {"field": heading})
    for key in ("heading", "series_line"):
        text = str(definition.get(key) or "")
        yield from _check_plain(key, {"label": text}, {"field": text[:60]})
