"""What the layers may do to a definition: the product's fields stay what they are, published
fields of the province's own are retired and not deleted, and nothing else comes in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.domain.messages import N_
from app.extensions import db
from app.models import ShippedDefinition
from app.services.definitions.findings import Finding, checks
from app.services.definitions.lint_forms import NEEDED, address_of
from app.services.definitions.places import Place, all_places
from app.services.definitions.versions import newest_version

Definition = Mapping[str, Any]

CUSTOM_PREFIX: Final = "x_"
FIXED: Final = ("kind", "source", "enumeration", "required_when", "is_custom")
"""Properties of the product's fields that no layer changes: the program relies on them."""


def _find(code: str, place: Place, template: str, **params: object) -> Finding:
    return Finding(code, place.path, template, {"field": place.title, **params})


@checks("form", "record")
def check_custom_names(definition: Definition) -> Iterator[Finding]:
    """Own fields are known by their names."""
    for place in all_places(definition):
        if place.has("is_custom") != place.name.startswith(CUSTOM_PREFIX):
            yield _find(
                "custom_name",
                place,
                N_(
                    "%(field)s: names of own fields begin with x_, and only theirs do. Choose "
                    "another name."
                ),
            )


@checks("form", "record")
def check_product_fields(definition: Definition) -> Iterator[Finding]:
    """Fields of the product: all there, unchanged in kind, and none invented beside them."""
    shipped = db.session.get(ShippedDefinition, definition["key"])
    if shipped is None:
        return
    if shipped.kind != definition["kind"]:
        template = N_("The kind of a screen is fixed by the product. Set it back.")
        yield Finding("product_changed", "kind", template)
    before = {place.path: place for place in all_places(shipped.definition)}
    after = {place.path: place for place in all_places(definition)}
    sections = {str(section["key"]) for section in definition["sections"]}
    for path, place in before.items():
        if path not in after and place.section in sections:
            yield _find(
                "product_missing",
                place,
                N_("%(field)s belongs to the product and cannot be deleted. Hide it instead."),
            )
    for path, place in after.items():
        if path not in before:
            if not place.has("is_custom"):
                yield _find(
                    "product_invented",
                    place,
                    N_("%(field)s: the product has no such field. Add it as a field of your own."),
                )
        else:
            yield from _check_changed(before[path], place)


def _check_changed(before: Place, after: Place) -> Iterator[Finding]:
    changed = [name for name in FIXED if before.given.get(name) != after.given.get(name)]
    if before.has("is_read_only") and not after.has("is_read_only"):
        changed.append("is_read_only")
    if changed and after.has("is_custom") == before.has("is_custom"):
        yield _find(
            "product_changed",
            after,
            N_("%(field)s: the product fixes its %(what)s. Set it back."),
            what=", ".join(changed),
        )
    elif changed:
        yield _find(
            "product_taken_for_custom",
            after,
            N_("%(field)s is a field of the product, not one of your own. Set it back."),
        )
    is_needed = address_of(after) in NEEDED
    if is_needed and before.has("is_required") and not after.has("is_required"):
        yield _find(
            "needed_optional",
            after,
            N_("%(field)s: the review needs this field. It cannot be optional."),
        )


@checks("form", "record")
def check_published_custom(definition: Definition) -> Iterator[Finding]:
    """Own fields once published keep their kind and are retired, never deleted: data stand
    behind them."""
    version = newest_version(str(definition["key"]))
    if version is None:
        return
    after = {place.path: place for place in all_places(definition)}
    sections = {str(section["key"]) for section in definition["sections"]}
    for place in all_places(version.definition):
        if not place.has("is_custom"):
            continue
        now = after.get(place.path)
        if now is None:
            around = place.path.rpartition("/columns/")[0]
            if place.section in sections and (not around or around in after):
                yield _find(
                    "custom_missing",
                    place,
                    N_("%(field)s has been published and may hold data. Retire it instead."),
                )
        elif now.kind != place.kind:
            yield _find(
                "custom_kind_changed",
                now,
                N_(
                    "%(field)s: the kind of a published field is fixed. Retire it and add a new "
                    "one."
                ),
            )
