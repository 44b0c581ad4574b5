"""The unit tree and the picker of units: levels by link, search with the path, small answers."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app.extensions import db
from app.models import Unit
from app.services.unit_tree import PAGE
from tests.many_units import grow_units

PROVINCE = "贵州省人力资源和社会保障厅"
GUIYANG = "贵阳市人力资源和社会保障局"
NANMING = "南明区人力资源和社会保障局"
ZUNYI = "遵义市人力资源和社会保障局"
PICKER_BYTES = 50 * 1024


def test_the_tree_shows_the_top_and_one_level(sign_in):
    text = sign_in("province").get("/unit_tree/").get_data(as_text=True)
    assert PROVINCE in text
    assert GUIYANG in text
    assert NANMING not in text
    assert re.search(r"直接下级 \d+ 个，共 \d+ 个", text)


def test_a_link_opens_the_next_level_without_scripts(sign_in, unit):
    client = sign_in("province")
    top = client.get("/unit_tree/").get_data(as_text=True)
    target = unit(GUIYANG)
    assert f'href="/unit_tree/?open={target.id}#unit-{target.id}"' in top
    opened = client.get(f"/unit_tree/?open={target.id}").get_data(as_text=True)
    assert NANMING in opened
    assert f'id="unit-{target.id}"' in opened


def test_the_script_gets_bare_items_and_everybody_else_a_page(sign_in, unit):
    client = sign_in("province")
    address = f"/unit_tree/below/{unit(GUIYANG).id}"
    bare = client.get(address, headers={"X-Requested-With": "fetch"}).get_data(as_text=True)
    assert NANMING in bare
    assert "<html" not in bare
    page = client.get(address).get_data(as_text=True)
    assert NANMING in page
    assert "<html" in page


def test_the_tree_holds_nothing_outside_the_own_scope(sign_in, unit):
    client = sign_in("guiyang")
    for address in ("/unit_tree/", f"/unit_tree/?open={unit(ZUNYI).id}", "/unit_tree/?q=人力资源"):
        text = client.get(address).get_data(as_text=True)
        assert GUIYANG in text
        assert ZUNYI not in text
        assert PROVINCE not in text
    assert client.get(f"/unit_tree/below/{unit(ZUNYI).id}").status_code == 404


@pytest.mark.parametrize("typed", ["明区人力资源", "nmqrl", "mqrlzy"])
def test_search_shows_where_each_hit_stands(sign_in, unit, typed):
    page = sign_in("province").get("/unit_tree/", query_string={"q": typed})
    text = page.get_data(as_text=True)
    assert NANMING in text
    assert f"{unit(NANMING).code} · {PROVINCE} / {GUIYANG}" in text


def test_search_without_a_hit_says_what_to_do(sign_in):
    page = sign_in("province").get("/unit_tree/", query_string={"q": "没有这样的单位"})
    assert "没有符合的单位" in page.get_data(as_text=True)


@pytest.mark.parametrize(
    "arguments",
    [
        "open=abc",
        "open=999999999",
        "open=99999999999999",
        "q=%00",
        "q=%27%3A*",
        "q=局&page=-1",
        "q=局&page=99999999999",
        "q=局&page=400",
        "q=" + "局" * 500,
        "q=%25_%5C",
    ],
)
def test_strange_arguments_never_break_the_tree(sign_in, arguments):
    assert sign_in("province").get(f"/unit_tree/?{arguments}").status_code == 200


@pytest.mark.parametrize("pk", ["abc", "0", "999999999", "99999999999999999999", "²"])
def test_unknown_units_have_no_branch(sign_in, pk):
    assert sign_in("province").get(f"/unit_tree/below/{pk}").status_code == 404


def test_a_closed_unit_carries_its_badge(sign_in, unit):
    unit(NANMING).is_active = False
    db.session.flush()
    client = sign_in("province")
    opened = client.get(f"/unit_tree/?open={unit(GUIYANG).id}").get_data(as_text=True)
    assert "已停用" in opened
    found = client.get("/lookup/unit", query_string={"q": NANMING}).get_json()
    assert "已停用" in found[0]["note"]


# ---- the picker


@pytest.mark.parametrize("typed", [NANMING, "明区人力资源", "nmqrlzy", "mqrlzy"])
def test_picker_finds_any_part_with_the_path(sign_in, unit, typed):
    found = sign_in("province").get("/lookup/unit", query_string={"q": typed}).get_json()
    row = unit(NANMING)
    assert found[0] == {
        "id": row.id,
        "text": NANMING,
        "note": f"{row.code} · {PROVINCE} / {GUIYANG}",
    }


def test_picker_finds_nothing_outside_the_scope(sign_in):
    assert sign_in("zunyi").get("/lookup/unit", query_string={"q": NANMING}).get_json() == []


@pytest.mark.parametrize("typed", ["'", "':*", "%", "\\", "!&|()", "局" * 300])
def test_strange_texts_never_break_the_picker(sign_in, typed):
    answer = sign_in("province").get("/lookup/unit", query_string={"q": typed})
    assert answer.status_code == 200
    assert answer.get_json() == []


def test_pages_and_pickers_stay_small_over_twenty_thousand_units(sign_in, count_queries):
    grow_units(20_000)
    client = sign_in("province")
    client.get("/lookup/unit?q=warm")
    numbers = []
    for typed in ("", "局", "贵州", "有限公司", "rmyy", "9152"):
        answer = client.get("/lookup/unit", query_string={"q": typed})
        assert len(answer.get_json()) == 20
        assert len(answer.data) <= PICKER_BYTES
        numbers.append(
            count_queries(lambda typed=typed: client.get("/lookup/unit", query_string={"q": typed}))
        )
    assert max(numbers) - min(numbers) <= 1  # codes look at the former ones too
    assert len(client.get("/units/add").data) <= PICKER_BYTES
    wide = db.session.scalars(select(Unit).where(Unit.name == NANMING)).one()
    branch = client.get(f"/unit_tree/below/{wide.id}", headers={"X-Requested-With": "fetch"})
    assert branch.get_data(as_text=True).count("tree-name") == PAGE
    assert "data-more" in branch.get_data(as_text=True)
    assert len(branch.data) <= 2 * PICKER_BYTES
