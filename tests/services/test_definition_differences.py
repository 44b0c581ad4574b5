"""Differences of definitions in words, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from flask import Flask

from app.services.definitions.differences import describe_differences, moved_keys
from app.views.screens.words import say_difference

FIELDS = ("full_name:姓名", "gender:性别", "ethnicity:民族", "phone:电话")


def screen(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    plain = [
        {"name": name, "kind": "text", "label": name, "label_zh": zh}
        for name, _sign, zh in (each.partition(":") for each in FIELDS)
    ]
    return {
        "key": "people",
        "kind": "record",
        "label": "People",
        "label_zh": "人员",
        "sections": [{"key": "main", "label": "Main", "fields": [*plain, *fields]}],
        **more,
    }


@pytest.fixture
def words(app: Flask) -> Iterator[Any]:
    with app.test_request_context("/", headers={"Accept-Language": "zh"}):
        yield lambda before, after: [
            say_difference(each) for each in describe_differences(before, after)
        ]


def changed(index: int = 2, **values: Any) -> dict[str, Any]:
    made = deepcopy(screen())
    made["sections"][0]["fields"][index].update(values)
    return made


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"label_zh": "民族成份"}, "“民族”：标签由“民族”改为“民族成份”"),
        ({"is_required": True}, "“民族”：必填设为“是”"),
        ({"width": "full"}, "“民族”：宽度设为“整行”"),
        ({"see_roles": ["hrss", "expert"]}, "“民族”：谁能看到设为“人力资源社会保障部门、评审专家”"),
        ({"is_hidden": True}, "“民族”已隐藏"),
        ({"kind": "number"}, "“民族”：类型由“单行文本”改为“数字”"),
        (
            {"options": [{"code": "1", "label": "Han", "label_zh": "汉族"}]},
            "“民族”：新增选项“汉族”",
        ),
    ],
)
def test_one_change_is_one_sentence(words: Any, values: dict[str, Any], sentence: str):
    assert words(screen(), changed(**values)) == [sentence]


def test_new_retired_and_moved_fields(words: Any):
    floor = {"name": "x_floor", "kind": "number", "label": "Floor", "label_zh": "楼层"}
    assert words(screen(), screen(floor)) == ["新增字段 楼层（数字）"]
    assert words(screen(floor), screen({**floor, "is_retired": True})) == ["“楼层”已停用，数据保留"]
    assert words(screen(floor), screen()) == ["已去掉“楼层”"]
    moved = screen()
    fields = moved["sections"][0]["fields"]
    fields.insert(2, fields.pop(1))
    assert words(screen(), moved) == ["“民族”移至“性别”之前"]
    fields.append(fields.pop(0))
    assert words(screen(), moved) == ["“民族”移至“性别”之前", "“姓名”移至末尾"]


def test_inserting_in_front_moves_nobody(words: Any):
    made = screen()
    made["sections"][0]["fields"].insert(0, {"name": "x_a", "kind": "date", "label": "甲"})
    assert words(screen(), made) == ["新增字段 甲（日期）"]
    assert words(screen(), screen()) == []


def test_the_words_are_the_authors_own(words: Any):
    """A label that is also a message id, or holds a template, stays as it was typed."""
    made = changed(label_zh="Yes %(x)s <b>")
    assert words(screen(), made) == ["“民族”：标签由“民族”改为“Yes %(x)s <b>”"]


def test_the_fewest_items_have_moved():
    assert moved_keys("abcde", "bcdea") == {"a"}
    assert moved_keys("abc", "abc") == frozenset()
    assert moved_keys("abc", "xcay") == {"c"} or moved_keys("abc", "xcay") == {"a"}
