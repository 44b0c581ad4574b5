"""Files: judged by content, kept once, counted against their place."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.domain.errors import ConflictError, RuleViolation
from app.extensions import db
from app.models import Material, StoredFile
from app.services import materials
from app.services.materials import FileRefusedError, check_content, clean_filename
from tests.applicants import actor_named, begin_draft, small_pdf, small_png
from tests.conftest import at

NOW = at("2022-08-03T09:00:00")
KINDS = ("pdf", "jpg", "png")
JPG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x12\x34\xff\xd9"
)
EXE = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00" + b"\x00" * 100


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (small_pdf(), "成果.pdf", "pdf"),
        (small_pdf(), "成果.PDF", "pdf"),
        (small_png(), "照片.png", "png"),
        (JPG, "照片.jpg", "jpg"),
        (JPG, "照片.jpeg", "jpg"),
        (small_pdf() + b"\n", "x.pdf", "pdf"),
    ],
)
def test_check_content_takes_what_it_is(content: bytes, name: str, kind: str) -> None:
    assert check_content(content, name, KINDS) == kind


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (EXE, "成果.pdf", "no file of the kinds pdf, jpg, png"),
        (b"just words", "x.pdf", "no file of the kinds"),
        (b"PK\x03\x04" + b"\0" * 60, "x.docx", "no file of the kinds"),
        (small_png(), "x.pdf", "ends in .pdf, but the content is png"),
        (small_pdf(), "virus.exe", "ends in .exe, but the content is pdf"),
        (small_pdf(), "noending", "ends in .-, but the content is pdf"),
        (small_pdf()[:-30], "x.pdf", "damaged or cut off"),
        (small_pdf().replace(b"xref\n0 4", b"XXXX\n0 4"), "x.pdf", "damaged or cut off"),
        (small_png()[:-8], "x.png", "damaged or cut off"),
        (small_png().replace(b"IDAT", b"IDAX"), "x.png", "damaged or cut off"),
        (JPG[:-2], "x.jpg", "damaged or cut off"),
        (JPG[:20], "x.jpg", "damaged or cut off"),
        (b"\x89PNG\r\n\x1a\n", "x.png", "damaged or cut off"),
    ],
)
def test_check_content_refuses_in_words(content: bytes, name: str, message: str) -> None:
    with pytest.raises(FileRefusedError, match=message):
        check_content(content, name, KINDS)


def test_check_content_takes_the_allowed_kinds_only() -> None:
    with pytest.raises(FileRefusedError, match="kinds pdf\\."):
        check_content(small_png(), "x.png", ["pdf"])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("C:\\文档\\证书.pdf", "证书.pdf"),
        ("../../etc/passwd.pdf", "passwd.pdf"),
        ("a\x00b\u202e.pdf", "ab.pdf"),
        ("", "file"),
        ("长" * 300 + ".pdf", "长" * 196 + ".pdf"),
    ],
)
def test_clean_filename(given: str, kept: str) -> None:
    assert clean_filename(given) == kept


def test_store_file_keeps_the_same_content_once(app: Flask, tmp_path: Path) -> None:
    app.config["OBJECT_STORE_URL"] = (tmp_path / "文件 柜").as_uri()
    first = materials.store_file(small_pdf(), "a.pdf", allowed_types=KINDS, max_bytes=9999, now=NOW)
    again = materials.store_file(
        io.BytesIO(small_pdf()), "b.pdf", allowed_types=KINDS, max_bytes=9999, now=NOW
    )
    assert again is first
    assert db.session.scalar(select(func.count(StoredFile.sha256))) == 1
    assert materials.open_file(first.sha256) == small_pdf()
    assert first.media_type == "application/pdf"
    assert first.byte_count == len(small_pdf())


def test_store_file_reads_no_further_than_the_limit(app: Flask) -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1) -> bytes:
            self.taken += size
            return b"x" * size

    stream = Endless()
    with pytest.raises(FileRefusedError, match=r"larger than 1 MB"):
        materials.store_file(stream, "x.pdf", allowed_types=KINDS, max_bytes=1048576, now=NOW)  # type: ignore[arg-type] -- a stream
    assert stream.taken < 1048576 + 2 * 65536


def test_store_file_refuses_an_empty_file(app: Flask) -> None:
    with pytest.raises(FileRefusedError, match="empty"):
        materials.store_file(b"", "x.pdf", allowed_types=KINDS, max_bytes=10, now=NOW)


def test_add_material_counts_files_and_knows_the_same_again(app: Flask) -> None:
    application = begin_draft("王敏", NOW)
    me = actor_named("王敏")

    def add(code: str, text: str) -> Material:
        return materials.add_material(
            application.id, code, small_pdf(text), f"{text}.pdf", actor=me, now=NOW
        )

    first = add("education_certificate", "1")
    assert add("education_certificate", "1") is first
    add("education_certificate", "2")
    add("education_certificate", "3")
    with pytest.raises(FileRefusedError, match="At most 3 files"):
        add("education_certificate", "4")
    materials.remove_material(first.id, actor=me, now=NOW)
    add("education_certificate", "4")
    assert len(materials.list_materials(application.id)) == 3
    with pytest.raises(ConflictError, match="no longer there"):
        materials.remove_material(first.id, actor=me, now=NOW)


@pytest.mark.parametrize(
    "code", ["nonsense", "profile.nonsense", "education.ffffffff.proof", "a.b.c"]
)
def test_add_material_refuses_places_nobody_asks_for(app: Flask, code: str) -> None:
    application = begin_draft("王敏", NOW)
    with pytest.raises(RuleViolation, match="does not ask for this file"):
        materials.add_material(
            application.id, code, small_pdf(), "x.pdf", actor=actor_named("王敏"), now=NOW
        )


def test_photo_must_be_a_picture(app: Flask) -> None:
    application = begin_draft("王敏", NOW)
    me = actor_named("王敏")
    with pytest.raises(FileRefusedError, match="jpg, png"):
        materials.add_material(
            application.id, "profile.photo", small_pdf(), "x.pdf", actor=me, now=NOW
        )
    kept = materials.add_material(
        application.id, "profile.photo", small_png(), "x.png", actor=me, now=NOW
    )
    assert kept.requirement_code == "profile.photo"
