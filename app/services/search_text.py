"""Words for the full-text columns: Chinese text in bigrams, its pinyin, Latin words and codes.

PostgreSQL has no Chinese dictionary, so both sides are cut here, the same way: what is stored
(`search_vector`) and what somebody types (`search_query`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pypinyin import Style, lazy_pinyin
from sqlalchemy import ARRAY, ColumnElement, Text, cast, func
from sqlalchemy.dialects.postgresql import TSQUERY

_RUNS = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|[0-9a-z]+")
_LONGEST = 200


def bigrams(text: str) -> str:
    """Return the words of `text`: 贵阳市 → "贵阳 阳市"; Latin words in small letters."""
    return " ".join(_words(text))


def chinese_runs(text: str) -> list[str]:
    """Return the unbroken runs of Chinese characters in `text`, in its order."""
    return [run for run in _RUNS.findall(text) if not run.isascii()]


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


def pinyin_words(text: str) -> list[str]:
    """Return whole pinyin: 王敏 → wang, min, wangmin."""
    syllables = [part for part in lazy_pinyin(text, errors=lambda _other: "") if part]
    return [*syllables, "".join(syllables)]


def _keep_ascii(other: str) -> str:
    return "".join(re.findall(r"[0-9a-z]+", other))


def search_words(name: str, *codes: str) -> list[str]:
    """Return all words a row is found by: bigrams, initials and whole pinyin of its name, codes.

    Every word is found by its beginning. So that any part of a name is found, the last character
    of each run stands alone too, and the initials stand once from each of their letters on.
    """
    initials = pinyin_initials(name)
    words = {
        *_words(name),
        *(run[-1] for run in chinese_runs(name)),
        *(initials[start:] for start in range(len(initials))),
        *pinyin_words(name),
        *(word for code in codes for word in _words(code)),
    }
    return sorted(word.lower()[:_LONGEST] for word in words if word)


def search_vector(name: str, *codes: str) -> ColumnElement[Any]:
    """Return the SQL value of a `search` column: set it whenever the name or a code changes."""
    return func.array_to_tsvector(cast(search_words(name, *codes), ARRAY(Text)))


def search_query(text: str) -> ColumnElement[Any]:
    """Return the SQL query for what somebody typed: every word must begin a stored one."""
    terms = " & ".join(f"'{word}':*" for word in dict.fromkeys(_words(text)))
    return cast(terms, TSQUERY)
