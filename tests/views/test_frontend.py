"""What the theme promises without a server: no inline code, known vendor files, legible colours."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from wtforms import Form

from app.views.theme import contrast_with_white, theme_css
from app.views.widgets import BeijingDateTimeField, PortalFileInput, PortalInput

APP = Path(__file__).resolve().parents[2] / "app"
TEMPLATES = sorted((APP / "templates").rglob("*.html"))
VENDOR = APP / "static" / "vendor"
FIRST_PAGE = (
    "vendor/tabler-1.6.1.min.css",
    "vendor/tom-select-2.6.2.bootstrap5.min.css",
    "vendor/tom-select-2.6.2.min.js",
    "vendor/tabler-icons-3.51.0.svg",
    "css/tokens.css",
    "css/portal.css",
    "js/portal.js",
    "img/emblem.svg",
)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_template_has_no_inline_code(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", source) == []
    assert re.findall(r"<style\b|\sstyle=|\son[a-z]+=\"|javascript:", source) == []
    assert re.findall(r"(?:src|href|action)=\"(?:https?:)?//", source) == []


def test_vendor_files_match_their_record() -> None:
    record = json.loads((VENDOR / "versions.json").read_text(encoding="utf-8"))["vendored"]
    found = {path.name for path in VENDOR.iterdir() if path.suffix not in {".json", ".gz", ".txt"}}
    assert {entry["file"] for entry in record} == found
    for entry in record:
        content = (VENDOR / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert gzip.decompress((VENDOR / f"{entry['file']}.gz").read_bytes()) == content


def test_first_page_stays_below_250_kilobytes() -> None:
    total = sum(len(gzip.compress((APP / "static" / name).read_bytes(), 9)) for name in FIRST_PAGE)
    assert total < 200_000


@pytest.mark.parametrize("colour", ["#1a5fb4", "#c01c28", "#ffff00", "#ffffff", "#000000"])
def test_theme_css_is_legible_for_any_colour(colour: str) -> None:
    shown = re.search(r"--portal-primary: #([0-9a-f]{6})", theme_css(colour))
    assert shown is not None
    channels = bytes.fromhex(shown.group(1))
    assert contrast_with_white((channels[0], channels[1], channels[2])) >= 4.5


def test_theme_css_keeps_a_legible_colour() -> None:
    assert "--portal-primary: #1a5fb4;" in theme_css("#1a5fb4")


@pytest.mark.parametrize("colour", ["red", "#12345", "#1a5fb4;}body{x:y", ""])
def test_theme_css_refuses_anything_else(colour: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        theme_css(colour)


class _InstantForm(Form):
    at = BeijingDateTimeField("At")


def test_beijing_field_reads_the_browsers_value_as_beijing_time() -> None:
    form = _InstantForm(MultiDict({"at": "2022-08-05T17:00"}))
    assert form.validate()
    assert form.at.data == dt.datetime(2022, 8, 5, 9, 0, tzinfo=dt.UTC)
    assert form.at.data.tzinfo == ZoneInfo("Asia/Shanghai")


def test_beijing_field_shows_a_stored_instant_in_beijing_time() -> None:
    form = _InstantForm(data={"at": dt.datetime(2022, 8, 5, 9, 0, tzinfo=dt.UTC)})
    assert 'value="2022-08-05T17:00"' in form.at()
    assert 'type="datetime-local"' in form.at()


def test_beijing_field_keeps_what_was_typed_wrongly() -> None:
    form = _InstantForm(MultiDict({"at": "5 August"}))
    assert not form.validate()
    assert 'value="5 August"' in form.at()


def test_beijing_field_refuses_a_naive_instant() -> None:
    with pytest.raises(TypeError, match="time zone"):
        _InstantForm(data={"at": dt.datetime(2022, 8, 5)})  # noqa: DTZ001 -- naive on purpose


def test_file_input_names_kinds_and_limit() -> None:
    field = _InstantForm().at
    shown = PortalFileInput(accept=".pdf", max_bytes=1000)(field)
    assert 'accept=".pdf"' in shown
    assert 'data-max-bytes="1000"' in shown


def test_input_keeps_a_given_class() -> None:
    shown = PortalInput("text")(_InstantForm().at, class_="wide")
    assert 'class="form-control wide"' in shown


def test_icon_is_there_for_documents_that_name_none(client: FlaskClient) -> None:
    """Browsers ask for it beside every PDF and picture."""
    with client.get("/favicon.ico") as answer:
        assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
        assert b"<svg" in answer.data
