"""What an uploaded workbook is as a file: refused when it is damaged, locked, with macros, or made
to unpack into more than it says.

The parts are read with a bound of their own and put into a plain new package, so that the reader
of cells never unpacks anything itself.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Final

from app.domain.errors import RuleViolation
from app.domain.messages import N_

MOST_PARTS: Final = 400
MOST_UNPACKED: Final = 64 * 1024 * 1024
MOST_RATIO: Final = 300
"""Bytes unpacked per byte in the file, for parts above a megabyte."""

_OLD_FORMAT: Final = b"\xd0\xcf\x11\xe0"
_ZIP: Final = b"PK\x03\x04"
_MEGABYTE: Final = 1024 * 1024
BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)
"""What zipfile raises for a damaged file, depending on which of its bytes are wrong."""

_NEEDED: Final = {"[Content_Types].xml", "xl/workbook.xml"}


class WorkbookRefusedError(RuleViolation):
    """A file cannot be read as a filled-in template."""

    code = "workbook_refused"


def look_at_workbook(content: bytes, *, most_bytes: int) -> None:
    """Refuse at the upload what can be told at once: size, kind, password, macros.

    Raises WorkbookRefusedError.
    """
    if not content:
        raise WorkbookRefusedError(N_("The file is empty. Choose the right one."))
    if len(content) > most_bytes:
        raise WorkbookRefusedError(
            N_("The file is larger than %(limit)s MB. Split it into several."),
            limit=most_bytes // _MEGABYTE,
        )
    if content.startswith(_OLD_FORMAT):
        raise WorkbookRefusedError(
            N_(
                "This is a workbook with a password, or one in the old format .xls. Take the "
                "password away and save it as .xlsx."
            )
        )
    if not content.startswith(_ZIP):
        raise WorkbookRefusedError(
            N_("This is no Excel workbook. Fill in the template and upload it as .xlsx.")
        )
    _open(content)


def unpack(content: bytes) -> dict[str, bytes]:
    """The parts of a workbook by name, each no longer than it says.

    Raises WorkbookRefusedError.
    """
    package = _open(content)
    parts: dict[str, bytes] = {}
    room = MOST_UNPACKED
    for info in package.infolist():
        if not info.filename.endswith((".xml", ".rels")):
            continue
        try:
            with package.open(info) as stream:
                data = stream.read(min(info.file_size, room) + 1)
        except BROKEN as error:
            raise damaged() from error
        room -= len(data)
        if len(data) != info.file_size or room < 0:
            raise damaged()
        parts[info.filename] = data
    return parts


def pack(parts: dict[str, bytes]) -> io.BytesIO:
    """A plain package of parts that have been looked at."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as package:
        for name, data in parts.items():
            package.writestr(name, data)
    buffer.seek(0)
    return buffer


def _open(content: bytes) -> zipfile.ZipFile:
    try:
        package = zipfile.ZipFile(io.BytesIO(content))
        infos = package.infolist()
    except BROKEN as error:
        raise damaged() from error
    names = {info.filename for info in infos}
    if len(names) != len(infos) or not names >= _NEEDED:
        raise WorkbookRefusedError(
            N_("This is no Excel workbook. Fill in the template and upload it as .xlsx.")
        )
    if any(info.flag_bits & 1 for info in infos):
        raise WorkbookRefusedError(N_("The file has a password. Take it away and save it again."))
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise WorkbookRefusedError(
            N_("The workbook has macros. Save it as .xlsx, without macros, and upload that.")
        )
    _require_plausible_sizes(infos)
    return package


def _require_plausible_sizes(infos: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(info.file_size for info in infos)
    is_bomb = any(
        info.file_size > _MEGABYTE and info.file_size > MOST_RATIO * max(info.compress_size, 1)
        for info in infos
    )
    if len(infos) > MOST_PARTS or unpacked > MOST_UNPACKED or is_bomb:
        raise too_large()


def too_large() -> WorkbookRefusedError:
    """The refusal of a file that holds more than any filled-in template."""
    return WorkbookRefusedError(
        N_(
            "The workbook holds far more than a filled-in template. Copy the rows into a "
            "freshly downloaded template and upload that."
        )
    )


def damaged() -> WorkbookRefusedError:
    """The refusal of a file that is broken or lies about itself."""
    return WorkbookRefusedError(
        N_("The file is damaged. Open it in Excel, save it again and upload the new one.")
    )
