"""What the markup of a worksheet tells before its cells are read: how far it reaches, and which
cells hold formulas. The reader of cells lays out the whole rectangle, so it must be bounded first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

from app.services.imports.packages import damaged, too_large

MOST_COLUMNS: Final = 100
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"


@dataclass
class Extent:
    """How far a sheet reaches (1-based), and where its formulas stand."""

    rows: int = 0
    columns: int = 0
    formulas: set[tuple[int, int]] = field(default_factory=set)


class _SheetScanner:
    """Follows rows and cells, with or without their references."""

    def __init__(self, most_rows: int) -> None:
        self.most_rows = most_rows
        self.extent = Extent()
        self.row = self.column = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "row":
                given = attributes.get("r", "")
                self.row = int(given) if given.isdecimal() else self.row + 1
                self.column = 0
            case "c":
                self._start_cell(attributes.get("r", ""))
            case "f":
                self.extent.formulas.add((self.row, self.column))
        if self.row > self.most_rows or self.column > MOST_COLUMNS:
            raise too_large()

    def _start_cell(self, reference: str) -> None:
        found = _REFERENCE.fullmatch(reference)
        if found:
            self.row, self.column = int(found[2]), column_number(found[1])
        else:
            self.column += 1
        self.extent.rows = max(self.extent.rows, self.row)
        self.extent.columns = max(self.extent.columns, self.column)


def column_number(letters: str) -> int:
    """A is 1, Z is 26, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def column_letters(number: int) -> str:
    """The inverse: 27 is AA."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def scan_sheet(data: bytes, *, most_rows: int) -> Extent:
    """How far a worksheet reaches; WorkbookRefusedError beyond `most_rows` or damaged."""
    scanner = _SheetScanner(most_rows)
    _parse(data, scanner.start)
    return scanner.extent


def find_sheet_parts(parts: dict[str, bytes]) -> dict[str, str]:
    """Sheet names and the parts their cells are in, in the order of the workbook."""
    targets: dict[str, str] = {}
    found: list[tuple[str, str]] = []

    def relation(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == "Relationship":
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    def sheet(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == "sheet":
            key = next((v for k, v in attributes.items() if k.rpartition(":")[2] == "id"), "")
            found.append((attributes.get("name", ""), key))

    _parse(parts.get(_RELATIONS, b""), relation)
    _parse(parts["xl/workbook.xml"], sheet)
    return {name: _part_name(targets.get(key, "")) for name, key in found}


def _part_name(target: str) -> str:
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _parse(data: bytes, start: Any) -> None:
    def refuse(*_given: Any) -> None:
        raise damaged()

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse  # no workbook has one; entities could swell
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError) as error:
        raise damaged() from error
