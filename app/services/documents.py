"""打印文书: PDF from the Typst templates in app/documents; data goes in as JSON, never as
source.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import segno
import typst

from app.domain.errors import DomainError, RuleViolation
from app.domain.messages import N_

FOLDER: Final = Path(__file__).resolve().parent.parent / "documents"
FONTS: Final = FOLDER / "fonts"
TEMPLATES: Final = (
    "receipt",
    "route_sheet",
    "publicity_sheet",
    "minutes",
    "pledge",
    "confirmation_slip",
    "certificate",
)
FONT_FILES: Final = (
    "NotoSerifSC-Regular.otf",
    "NotoSerifSC-Bold.otf",
    "NotoSansSC-Regular.otf",
    "NotoSansSC-Bold.otf",
)
NAME_FONT: Final = "NotoSerifSC-Regular.otf"
"""The font of names: the one that holds every Han character there is in the family."""


class FontMissingError(DomainError):
    """A font file of the documents is not there; nothing is printed with another one."""

    code = "font_missing"
    http_status = 503
    template = N_(
        "The font file %(file)s is missing below app/documents/fonts. Restore it from the release, "
        "then print again."
    )


class MissingGlyphsError(RuleViolation):
    """A text has characters the font cannot print; a certificate would show empty boxes."""

    code = "missing_glyphs"
    template = N_(
        "The font cannot print %(characters)s. Have the character added to the font first; "
        "nothing has been issued."
    )


def require_fonts() -> None:
    """Refuse to print while a font file is missing; one clear line names it."""
    for name in FONT_FILES:
        if not (FONTS / name).is_file():
            raise FontMissingError(file=name)


@lru_cache(maxsize=1)
def _fonts() -> Any:
    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)]
    )


def render_pdf(template_name: str, data: Mapping[str, Any]) -> bytes:
    """The PDF of a template filled with `data` (JSON values); the same data give the same bytes.

    Raises FontMissingError when a font file is not there, KeyError for an unknown template.
    """
    if template_name not in TEMPLATES:
        raise KeyError(template_name)
    require_fonts()
    compiler = typst.Compiler(
        str(FOLDER / f"{template_name}.typ"),
        root=str(FOLDER),
        font_paths=_fonts(),
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
    )
    pdf = compiler.compile(format="pdf", timestamp=0)
    if not isinstance(pdf, bytes):
        raise TypeError("typst gave no PDF")
    return pdf


def qr_svg(text: str) -> str:
    """A QR code as SVG, for a template's `qr` field."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", border=0, xmldecl=False)
    return out.getvalue().decode("utf-8")


# --------------------------------------------------------------------------- glyphs


def check_glyphs(text: str) -> list[str]:
    """The characters of `text` the name font lacks, each once, in their order."""
    known = _known_characters()
    return [c for c in dict.fromkeys(text) if not c.isspace() and ord(c) not in known]


def require_glyphs(*texts: str) -> None:
    """Refuse texts with characters that cannot be printed; names them with their code points."""
    missing = check_glyphs("".join(texts))
    if missing:
        raise MissingGlyphsError(characters="、".join(f"{c}(U+{ord(c):04X})" for c in missing))


@lru_cache(maxsize=1)
def _known_characters() -> frozenset[int]:
    require_fonts()
    return frozenset(_read_character_map((FONTS / NAME_FONT).read_bytes()))


def _read_character_map(font: bytes) -> list[int]:
    """The code points of an OpenType font's format-12 character map."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(font[at : at + size], "big")

    tables = {font[at : at + 4]: number(at + 8, 4) for at in range(12, 12 + 16 * number(4, 2), 16)}
    base = tables[b"cmap"]
    points: list[int] = []
    for index in range(number(base + 2, 2)):
        start = base + number(base + 4 + 8 * index + 4, 4)
        if number(start, 2) != 12:
            continue
        for group in range(number(start + 12, 4)):
            at = start + 16 + 12 * group
            points.extend(range(number(at, 4), number(at + 4, 4) + 1))
    return points
