"""Printed documents: every template, the fonts, the glyphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.services import documents

HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
NAUGHTY = '#panic("x") $ * _ `{}` "\\ <a> @b // /*'


def sample() -> dict[str, dict[str, Any]]:
    """The fields of every template."""
    person = {
        "number": "2022-00000017",
        "plan_year": "2022",
        "person_name": "王敏",
        "identity_mask": "5201**********9702",
        "unit_name": "黔中建筑设计院",
        "series_name": "工程技术",
        "title_name": "高级工程师",
        "committee_name": "高级职称评审委员会",
    }
    member = {
        "position": 1,
        "name": "陆海涛",
        "role": "主任委员",
        "unit": "设计院",
        "title": "正高级工程师",
        "signed_in_at": "2022-11-20 08:40",
    }
    item = {
        "position": 1,
        "name": "王敏",
        "unit": "设计院",
        "title": "高级工程师",
        "present": 9,
        "recused": 1,
        "yes": None,
        "no": None,
        "abstain": None,
        "not_cast": None,
        "outcome": "通过",
        "opinions": ["同意（88分）"],
    }
    draw = dict.fromkeys(
        ("drawn_at", "witness", "witnessed_at", "algorithm", "seed", "candidates_hash"), "x"
    ) | dict.fromkeys(("candidates", "drawn", "reserves", "named", "excluded"), 1)
    step = dict.fromkeys(("unit", "received_at", "due_at", "forwarded_at", "opinion"), "x")
    return {
        "receipt": person
        | {
            "receipt_number": "R1",
            "version": 1,
            "submitted_at": "2022-08-03 16:21:07",
            "next_step": "单位审核",
            "content_hash": HASH,
            "qr": documents.qr_svg("https://zc.example.gov.cn/"),
        },
        "route_sheet": person
        | {"receipt_due_at": "2022-09-15 17:00", "steps": [{"position": 0, **step}]},
        "publicity_sheet": {
            "heading": "职称评审结果公示",
            "unit_name": "住房和城乡建设厅",
            "lead": "现予公示。",
            "columns": ["姓名", "单位"],
            "rows": [["王敏", "设计院"]],
            "starts_on": "2022-12-23",
            "ends_on": "2022-12-29",
            "working_days": 5,
            "contact_unit": "人事处",
            "contact_name": "",
            "contact_phone": None,
            "signed_on": "2022年12月22日",
        },
        "minutes": {
            "committee_name": "高级职称评审委员会",
            "plan_year": "2022",
            "batch": 1,
            "held_on": "2022-11-20",
            "place": "",
            "opened_at": "",
            "closed_at": "",
            "chair": "陆海涛",
            "convener": "厅",
            "size": 11,
            "signed_in": 10,
            "quorum": 8,
            "members": [member],
            "draw": draw,
            "items": [item],
            "announced_on": "2022年11月20日",
            "content_hash": HASH,
        },
        "pledge": {
            "committee_name": "高级职称评审委员会",
            "plan_year": "2022",
            "held_on": "2022-11-20",
            "articles": ["公正评审。"],
            "expert_name": "陆海涛",
            "expert_unit": "设计院",
            "pledged_at": "",
        },
        "confirmation_slip": person
        | {
            "level_name": "副高级",
            "decided_on": "2022-11-20",
            "publicity": "无异议",
            "confirmed_by": "厅",
            "confirmed_on": "2022-12-05",
            "certificate_number": "5220222384712907",
        },
        "certificate": person
        | {
            "issuer": "贵州省人力资源和社会保障厅",
            "specialty_name": "",
            "level_name": "副高级",
            "effective_on": "2022年11月20日",
            "issued_on": "2022年12月5日",
            "content_hash": HASH,
            "verify_url": "https://zc.example.gov.cn/public/verify/5220222384712907",
            "qr": documents.qr_svg("https://zc.example.gov.cn/public/verify/5220222384712907"),
            "revoked_on": "",
        },
    }


@pytest.mark.parametrize("name", documents.TEMPLATES)
def test_template_renders_the_same_bytes_twice(name: str) -> None:
    first = documents.render_pdf(name, sample()[name])
    assert first.startswith(b"%PDF-")
    assert documents.render_pdf(name, sample()[name]) == first


@pytest.mark.parametrize("name", documents.TEMPLATES)
def test_data_are_never_source(name: str) -> None:
    data = {
        key: NAUGHTY if isinstance(value, str) and key not in {"qr", "content_hash"} else value
        for key, value in sample()[name].items()
    }
    assert documents.render_pdf(name, data).startswith(b"%PDF-")


def test_unknown_template_is_refused() -> None:
    with pytest.raises(KeyError):
        documents.render_pdf("../../config", {})


@pytest.mark.parametrize("character", ["䶮", "𬱖", "𫖯", "𱁬", "·", "王"])
def test_rare_characters_are_in_the_font(character: str) -> None:
    assert documents.check_glyphs(f"王{character}") == []


def test_characters_the_font_lacks_are_named_once() -> None:
    assert documents.check_glyphs("王𮧵𮧵 敏") == ["𮧵"]
    with pytest.raises(documents.MissingGlyphsError) as refused:
        documents.require_glyphs("王𮧵")
    assert refused.value.params == {"characters": "𮧵(U+2E9F5)"}


def test_rare_name_is_embedded_from_our_font() -> None:
    plain = documents.render_pdf("certificate", sample()["certificate"])
    rare = documents.render_pdf("certificate", sample()["certificate"] | {"person_name": "王䶮𱁬"})
    assert b"NotoSerifSC" in plain
    assert rare != plain


def test_missing_font_file_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in documents.FONT_FILES[:-1]:
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(documents, "FONTS", tmp_path)
    with pytest.raises(documents.FontMissingError) as refused:
        documents.render_pdf("pledge", sample()["pledge"])
    assert str(refused.value) == (
        "The font file NotoSansSC-Bold.otf is missing below app/documents/fonts. "
        "Restore it from the release, then print again."
    )


def test_fonts_stay_small_and_carry_their_licence() -> None:
    total = sum(path.stat().st_size for path in documents.FONTS.iterdir())
    assert total < 30 * 1024 * 1024
    assert "SIL OPEN FONT LICENSE" in (documents.FONTS / "OFL.txt").read_text("utf-8")
