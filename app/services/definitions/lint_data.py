"""Options taken away that applications still hold: they stay readable, but nobody chooses them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from app.domain.messages import N_
from app.extensions import db
from app.models import Application
from app.services.definitions.dictionary_codes import codes_of
from app.services.definitions.findings import Finding, checks
from app.services.definitions.places import Place, live_places


@checks("form")
def check_codes_in_use(definition: Mapping[str, Any]) -> Iterator[Finding]:
    """A warning for each choice whose retired codes applications hold."""
    for place in live_places(definition):
        if place.kind != "choice":
            continue
        every, offered = (codes_of(place.given, with_retired=each) for each in (True, False))
        retired = (every or set()) - (offered or set())
        if retired and (held := _held(place, retired)):
            yield Finding(
                "option_in_use",
                place.path,
                N_(
                    "%(field)s: applications hold “%(code)s”, which is no longer offered. It stays "
                    "readable; who corrects that page must choose anew."
                ),
                {"field": place.title, "code": held},
                blocks=False,
            )


def _held(place: Place, codes: set[str]) -> str | None:
    """One of the codes that some application holds in this field or column."""
    content = Application.content[place.section]
    for code in sorted(codes):
        if place.owner is None:
            holds = content[place.name].as_string() == code
        else:
            holds = content[str(place.owner["name"])].contains([{place.name: code}])
        if db.session.scalar(select(Application.id).where(holds).limit(1)) is not None:
            return code
    return None
