"""Words for the full-text columns: Chinese text in bigrams, its pinyin, Latin words and codes.

PostgreSQL has no Chinese dictionary, so both sides are cut the same way: what is stored
(`search_vector`) and what somebody types (`search_query`), under the `simple` configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pypinyin import Style, lazy_pinyin
from sqlalchemy import ColumnElement, func

_RUNS = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|[0-9a-z]+")
_LONGEST = 200


def bigrams(text: str) -> str:
    """Return the words of `text`: 贵阳市 → "贵阳 阳市"; Latin words in small letters."""
    return " ".join(_words(text))


def _words(text: str) -> Iterable[str]:
    for run in _RUNS.findall(text.lower()):
        if run.isascii() or len(run) == 1:
            yield run
        else:
            yield from (run[start : start + 2] for start in range(len(run) - 1))


def pinyin_initials(text: str) -> str:
    """Return the initials a picker finds a name by: 贵阳市 → "gys"; other signs are dropped."""
    letters = lazy_pinyin(text.lower(), style=Style.FIRST_LETTER, errors=_keep_ascii)
    return "".join(letters)[:_LONGEST]


def pinyin_words(text: str) -> str:
    """Return whole pinyin: 王敏 → "wang min wangmin"."""
    syllables = [part for part in lazy_pinyin(text, errors=lambda _other: "") if part]
    return " ".join([*syllables, "".join(syllables)])


def _keep_ascii(other: str) -> str:
    return "".join(re.findall(r"[0-9a-z]+", other))


def search_document(name: str, *codes: str) -> str:
    """Return all words a row is found by: bigrams, initials and whole pinyin of its name, codes."""
    return " ".join(
        [
            bigrams(name),
            pinyin_initials(name),
            pinyin_words(name),
            *(bigrams(code) for code in codes),
        ]
    )


def search_vector(name: str, *codes: str) -> ColumnElement[Any]:
    """Return the SQL value of a `search` column: set it whenever the name or a code changes."""
    return func.to_tsvector("simple", search_document(name, *codes))


def search_query(text: str) -> ColumnElement[Any]:
    """Return the SQL query for what somebody typed: every word must begin a stored one."""
    terms = " & ".join(f"{word}:*" for word in _words(text))
    return func.to_tsquery("simple", terms)
