"""A list of 100,000 rows filtered and sorted on a custom field, beside the same on a column of the
table with an index.

Asked: at most 1.3 times as long. Both lists are asked in turns, so that whoever else works on the
machine slows both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import select, text

from app import clock, create_app, settling
from app.domain.terms import SpecialtyOrigin
from app.extensions import db, unit_of_work
from app.models import Account, SpecialtyGroup
from app.security.actors import actor_of
from app.services.definitions import store
from bench.load import Timings
from bench.measures import Case, Measure
from bench.portals import Ground, real_portal
from bench.units import Site, our_province, sign_in

ROWS = 100_000
TIMES = 60
MOST_RATIO = 1.3
SCREEN = "specialties"

FIELDS = {
    "x_floor": {"kind": "number", "label": "Floor", "label_zh": "楼层", "is_sortable": True},
    "x_place": {"kind": "text", "label": "Place", "label_zh": "地点", "is_sortable": True},
}
LISTS = {
    "above a number": ("_flt_0_x_floor=50000&{}=x_floor", "_flt_1_number=49999&{}=number"),
    "one number, downwards": ("_flt_2_x_floor=777&{}=x_floor", "_flt_0_number=777&{}=number"),
    "texts that hold": ("_flt_0_x_place=5&{}=x_place", "_flt_2_name=5&{}=name"),
}
"""(on the custom field, on the column) of each list that is asked for; `{}` is what to sort by."""


def measure() -> Iterator[Measure]:
    """Fill the catalogue, publish the fields, ask for the same lists in turns."""
    with real_portal() as ground:
        fill(ground)
        site = sign_in(ground.portal.url, our_province(ground))
        for what, lists in LISTS.items():
            way = "desc" if "downwards" in what else "asc"
            paths = [
                f"/specialties/list/?{each.format('_oc_SpecialtyView')}&_od_SpecialtyView={way}"
                for each in lists
            ]
            ours, column = in_turns(site, paths)
            fast, usual = ours.quantile(0.5), column.quantile(0.5)
            yield Measure(f"{what}, p50", "s", fast, "indexed column", usual)
            yield Measure(f"{what}, ratio", "x", fast / usual, "none", most=MOST_RATIO)


def in_turns(site: Site, paths: list[str]) -> list[Timings]:
    """The seconds of each address, asked one after the other, after a round to warm up."""
    found = [Timings() for _path in paths]
    for path in paths:
        site.get(path)
    for _time in range(TIMES):
        for path, timings in zip(paths, found, strict=True):
            start = time.monotonic()
            site.get(path)
            timings.seconds.append(time.monotonic() - start)
    return found


def fill(ground: Ground) -> None:
    """100,000 specialties with the same values in a column and in a custom field, both indexed."""
    assert ground.running.postgres is not None
    app = create_app(DATABASE_URL=ground.running.postgres.url, REDIS_URL=ground.running.redis_url)
    with app.app_context():
        with unit_of_work():
            publish_fields()
            group = db.session.scalars(select(SpecialtyGroup.id).limit(1)).one()
            db.session.execute(
                text(
                    "INSERT INTO specialty (group_id, number, name, scope_note, basis, origin,"
                    " is_active, version, custom)"
                    " SELECT :group_id, n, 'S' || n, '', '', :origin, true, 1,"
                    " jsonb_build_object('x_floor', n, 'x_place', 'S' || n)"
                    " FROM generate_series(1, :rows) AS n"
                ),
                {"group_id": group, "origin": SpecialtyOrigin.PROPOSAL.value, "rows": ROWS},
            )
            for column in ("number", "name"):
                db.session.execute(text(f"CREATE INDEX bench_{column} ON specialty ({column})"))
        settling.tend_custom_indexes()
        with unit_of_work():
            db.session.execute(text("ANALYZE specialty"))
        db.session.remove()
        db.engine.dispose()


def publish_fields() -> None:
    """Add the custom fields to the screen, and a filter for the number, as an editor would."""
    actor = actor_of(db.session.scalars(select(Account).filter_by(username="province")).one())
    values = {
        f"sections/main/fields/{name}/{key}": value
        for place, (name, given) in enumerate(FIELDS.items(), start=1)
        for key, value in {
            **given,
            "#": 1000 + place,
            "is_custom": True,
            "in_list": True,
            "in_filter": True,
        }.items()
    }
    values["sections/main/fields/number/in_filter"] = True
    now = clock.now()
    store.change_draft(SCREEN, values, expected_version=0, actor=actor, now=now)
    store.publish_draft(SCREEN, reason="bench", expected_version=1, actor=actor, now=now)


CASE = Case("custom", "a list of 100,000 rows on a custom field", measure, seconds=400)
