"""Names of people and units, by what may stand in them."""

from __future__ import annotations

import pytest

from app.domain.errors import RuleViolation
from app.domain.names import require_person_name, require_unit_name


@pytest.mark.parametrize(
    "name",
    [
        "王敏",
        "阿依古丽·买买提",
        "买买提•吐尔逊",
        "O'Neil-Smith Jr.",
        "䶮",
        "𬱖𫖯",
        "𱁬",
        "é",
        "王2",
    ],
)
def test_names_of_documents_pass(name: str) -> None:
    assert require_person_name(f" {name} ") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "=1+1",
        "@SUM(A1)",
        "12345",
        "<img src=x>",
        "王\u202e敏",
        "王\u200b敏",
        "😀",
        "·",
        "王\x00敏",
        "王\n敏",
        "\ue000",
    ],
)
def test_what_is_no_name_of_a_person_is_refused(name: str) -> None:
    with pytest.raises(RuleViolation):
        require_person_name(name)


@pytest.mark.parametrize(
    "name",
    ["贵阳市第三十六中学（本部）", "中国水电九局有限公司2分公司", "A&B（贵州）工程咨询—设计所"],
)
def test_names_of_certificates_pass(name: str) -> None:
    assert require_unit_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a\u202eb", "a\u200bb", "😀😀", "<img src=x onerror=alert(1)>", "=1+1", "2022", "a\tb"],
)
def test_what_is_no_name_of_a_unit_is_refused(name: str) -> None:
    with pytest.raises(RuleViolation):
        require_unit_name(name)
