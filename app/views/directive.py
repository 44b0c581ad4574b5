"""The directive as issued, taken apart for its page; not a character is changed but the blanks
that only indent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

CLAUSE = re.compile(r"(（[一二三四五六七八九十]+）[^。]*。)(.*)", re.DOTALL)
SECTION = re.compile(r"[一二三四五六七八九十]+、")
ANNEX = re.compile(r"附件\s*(\d)")


@dataclass(frozen=True)
class Paragraph:
    """`section` is a heading; of a clause, `lead` is its printed heading up to the full stop."""

    text: str
    lead: str = ""
    is_section: bool = False
    anchor: str = ""


@dataclass
class Annex:
    """One annex: its heading, lines above the table, the table, or paragraphs."""

    number: int
    heading: str = ""
    paragraphs: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Directive:
    """The document: heading, addressees, body, and its annexes."""

    heading: str
    addressees: str
    body: list[Paragraph]
    annex_list: list[str]
    annexes: list[Annex]


@lru_cache(maxsize=1)
def read_directive(path: Path) -> Directive:
    """Read the text; the same answer for the life of the process."""
    lines = path.read_text("utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if ANNEX.fullmatch(line.strip())]
    end = next(number for number, line in enumerate(lines) if line.startswith("附件："))
    return Directive(
        heading=lines[0].strip(),
        addressees=lines[1].strip(),
        body=[_paragraph(line) for line in lines[2:end] if line.strip()],
        annex_list=[_tidy(line).removeprefix("附件：") for line in lines[end : starts[0]]],
        annexes=[
            _annex(lines[start:stop])
            for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True)
        ],
    )


def _tidy(line: str) -> str:
    return re.sub(r"\s+", " ", line).strip()


def _paragraph(line: str) -> Paragraph:
    text = _tidy(line)
    section = SECTION.match(text)
    if section:
        return Paragraph(text, is_section=True, anchor=f"s{'一二三四五六七八九'.find(text[0]) + 1}")
    clause = CLAUSE.fullmatch(text)
    return Paragraph(clause[2], lead=clause[1]) if clause else Paragraph(text)


def _annex(lines: list[str]) -> Annex:
    """A heading of one or two lines, then cells (lines that begin with a tab) or paragraphs."""
    matched = ANNEX.fullmatch(lines[0].strip())
    annex = Annex(number=int(matched[1]) if matched else 0)
    blocks: list[list[str]] = [[]]
    for line in [*lines[1:], ""]:
        if line.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    tables = [cells for block in blocks if (cells := [x.strip() for x in block if x[0] == "\t"])]
    texts = [words for block in blocks if (words := [_tidy(x) for x in block if x[0] != "\t"])]
    rest = [words for block in texts[1:] for words in block]
    if tables:
        annex.head, annex.rows = tables[0], tables[1:]
        annex.heading, annex.paragraphs = texts[0][0], [*texts[0][1:], *rest]
    else:
        annex.heading, annex.paragraphs = "".join(texts[0]), rest
    return annex
