"""Uploaded workbooks: what is refused as a whole, and in which words; nothing gives a failure."""

from __future__ import annotations

import io
import random
import zipfile

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.domain.errors import DomainError
from app.domain.sheets import PEOPLE, UNITS
from app.messages import say
from app.services.imports.markup import column_letters, column_number, scan_sheet
from app.services.imports.packages import WorkbookRefusedError, look_at_workbook
from app.services.imports.reading import read_workbook
from app.services.imports.template import build_template
from tests.sheets import PEOPLE_HEAD, identity, person, workbook

MEGABYTE = 1024 * 1024


def read(content: bytes, layout=PEOPLE, most_rows: int = 5000):
    look_at_workbook(content, most_bytes=5 * MEGABYTE)
    return read_workbook(content, layout, say, most_rows=most_rows)


def changed(content: bytes, name: str, change) -> bytes:
    """The workbook with one part changed (or added, from nothing)."""
    source = zipfile.ZipFile(io.BytesIO(content))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for each in source.namelist():
            if each != name:
                target.writestr(each, source.read(each))
        target.writestr(name, change(source.read(name) if name in source.namelist() else b""))
    return buffer.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
GOOD = workbook([person(1)])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"name,number", "no Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "password"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (GOOD[: len(GOOD) // 2], "damaged"),
        (b"PK\x03\x04" + bytes(5 * MEGABYTE), "larger than"),
        (changed(GOOD, "xl/vbaProject.bin", lambda _old: b"macro"), "macros"),
        (changed(GOOD, "xl/workbook.xml", lambda _old: b"<broken"), "damaged"),
        (changed(GOOD, SHEET, lambda old: old[: len(old) // 2]), "damaged"),
        (
            changed(
                GOOD, SHEET, lambda old: b'<!DOCTYPE x [<!ENTITY a "b">]>' + old.split(b"?>")[1]
            ),
            "damaged",
        ),
        (
            changed(GOOD, SHEET, lambda old: old.replace(b'r="A2"', b'r="XFD1048576"')),
            "far more",
        ),
        (changed(GOOD, SHEET, lambda old: old.replace(b'r="A2"', b'r="A999999"')), "far more"),
        (changed(GOOD, "xl/media.xml", lambda _old: bytes(60 * MEGABYTE)), "far more"),
        (workbook([]), "No row is filled in"),
        (workbook([person(1)], PEOPLE_HEAD[:3]), "columns are missing"),
        (workbook([person(1)], [*PEOPLE_HEAD, "姓名"]), "stands there twice"),
    ],
)
def test_file_is_refused_in_words(app: Flask, content: bytes, words: str) -> None:
    with pytest.raises(DomainError) as refused:
        read(content)
    assert words in str(refused.value)
    assert refused.value.http_status == 422


def test_part_that_unpacks_into_more_than_it_says_is_refused(app: Flask) -> None:
    """The sizes in the package lie: the reader of cells would unpack without a bound."""
    content = bytearray(changed(GOOD, SHEET, lambda old: old + b" " * MEGABYTE))
    size = len(zipfile.ZipFile(io.BytesIO(bytes(content))).read(SHEET))
    lie = (size - MEGABYTE // 2).to_bytes(4, "little")
    content = content.replace(size.to_bytes(4, "little"), lie)
    with pytest.raises(WorkbookRefusedError, match="damaged"):
        read(bytes(content))


def test_number_of_rows_is_limited(app: Flask) -> None:
    content = workbook([person(n) for n in range(4)])
    assert len(read(content, most_rows=4).rows) == 4
    with pytest.raises(WorkbookRefusedError, match="has 4 rows; at most 3"):
        read(content, most_rows=3)


def test_template_of_another_kind_is_sent_to_its_place(app: Flask, actor) -> None:
    content = build_template(UNITS, say, actor=actor("gyhousing"))
    with pytest.raises(WorkbookRefusedError, match="“下级单位”, not for “个人账号”"):
        read(content)


def test_cells_are_read_with_their_place_in_excel(app: Flask) -> None:
    rows = [{}, person(1), {}, {}, person(2, **{"证件号码*": 10**17})]
    found = read(workbook(rows)).rows
    assert [row.number for row in found] == [3, 6]
    assert found[0].cells["identity_number"] == identity(1)
    assert [problem.column for problem in found[1].problems] == ["identity_number"]
    assert found[1].cells["identity_number"] == ""


@pytest.mark.parametrize(("number", "letters"), [(1, "A"), (26, "Z"), (27, "AA"), (702, "ZZ")])
def test_column_letters(number: int, letters: str) -> None:
    assert column_letters(number) == letters
    assert column_number(letters) == number


def test_cells_without_references_are_counted() -> None:
    extent = scan_sheet(b"<s><row><c/><c><f>1</f></c></row><row><c/></row></s>", most_rows=9)
    assert (extent.rows, extent.columns, extent.formulas) == (2, 2, {(1, 2)})


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), count=st.integers(1, 40))
@example(seed=157, count=35)  # an offset before the beginning of the file
def test_damaged_bytes_are_refused_or_read_but_never_fail(
    app: Flask, seed: int, count: int
) -> None:
    """Random bytes of the parts are changed, inside valid packages and in the package itself."""
    chance = random.Random(seed)

    def spoil(data: bytes) -> bytes:
        spoiled = bytearray(data)
        for _n in range(count):
            spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        return bytes(spoiled)

    part = chance.choice([SHEET, "xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml", ""])
    content = changed(GOOD, part, spoil) if part else spoil(GOOD)
    try:
        found = read(content)
    except DomainError:
        return
    assert len(found.rows) <= 5000
