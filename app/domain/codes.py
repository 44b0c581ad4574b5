"""Unit codes, derived unit codes and identity numbers; what may be shown of them.

The check characters are written here and tested against python-stdnum, whose `validate` refuses
real people and real units (prefixes 81/82/83, classes N/A/Y) and therefore does not decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Final

from app.domain.errors import CodeSpaceExhaustedError, InvalidCodeError, InvalidIdentityError
from app.domain.messages import N_
from app.domain.terms import Gender, IdentityDocument

USCC_CHARSET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""GB 32100-2015: no I, O, S, V, Z."""

USCC_LENGTH: Final = 18
SUFFIX_LENGTH: Final = 2
MAX_DEPTH: Final = 4
"""E2: 18 + 4 * 2 = 26 characters."""

_NUMERIC_SUFFIXES: Final = 99
_LETTERS: Final = USCC_CHARSET[10:]
MAX_CHILDREN: Final = _NUMERIC_SUFFIXES + len(_LETTERS) * len(USCC_CHARSET)
"""E3: 99 + 21 * 31 = 750."""

_USCC_WEIGHTS: Final = tuple(pow(3, position, 31) for position in range(17))
_SUFFIX_PATTERN: Final = re.compile(rf"(?!00)[0-9]{{2}}|[{_LETTERS}][{USCC_CHARSET}]")

_ID_LENGTH: Final = 18
_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS: Final = "10X98765432"
_ID_PATTERN: Final = re.compile(r"[0-9]{17}[0-9X]")
_MAINLAND_PROVINCES: Final = frozenset(
    str(code)
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71))
    for code in range(first, last + 1)
)
_HMT_PREFIXES: Final = frozenset({"81", "82", "83"})
_EARLIEST_BIRTH: Final = date(1900, 1, 1)

_OTHER_DOCUMENTS: Final = {
    IdentityDocument.PASSPORT: re.compile(r"[A-Z0-9]{5,17}"),
    IdentityDocument.TRAVEL_PERMIT: re.compile(r"[HM][0-9]{8}(?:[0-9]{2})?|[0-9]{8}"),
}

_PHONE_LENGTH: Final = 11
_LEAST_HIDDEN: Final = 4


def normalise_code(text: str) -> str:
    """Return a typed code or number without surrounding blanks, in capitals: as it is stored."""
    return text.strip().upper()


def compute_uscc_check(body: str) -> str:
    """Return the check character of the first 17 characters (GB 32100-2015).

    Weights 3^(i-1) mod 31; 31 - sum mod 31, where 31 counts as 0 (E1).
    """
    total = sum(
        USCC_CHARSET.index(character) * weight
        for character, weight in zip(body, _USCC_WEIGHTS, strict=True)
    )
    return USCC_CHARSET[-total % 31]


def check_uscc(code: str) -> None:
    """Refuse what is not a unified social credit code, with the reason (E1).

    Blanks around it and small letters are accepted. Raises InvalidCodeError.
    """
    code = normalise_code(code)
    if len(code) != USCC_LENGTH:
        raise InvalidCodeError(
            N_(
                "The unified social credit code has 18 characters, not %(length)s. "
                "Compare it with the certificate."
            ),
            length=len(code),
        )
    _require_charset(code)
    if not re.fullmatch(r"[0-9]{6}", code[2:8]):
        raise InvalidCodeError(
            N_(
                "Characters 3 to 8 of the unified social credit code are the digits of a "
                "division. Compare it with the certificate."
            )
        )
    if compute_uscc_check(code[:-1]) != code[-1]:
        raise InvalidCodeError(
            N_(
                "The last character of the unified social credit code does not match the others. "
                "Compare it with the certificate."
            )
        )


def _require_charset(code: str) -> None:
    for character in code:
        if character not in USCC_CHARSET:
            raise InvalidCodeError(
                N_(
                    "The character %(character)s cannot occur in a unit code: it has digits and "
                    "capital letters without I, O, S, V, Z. Compare it with the certificate."
                ),
                character=character,
            )


def compute_suffix(nth: int) -> str:
    """Return the suffix of the n-th child: 01 … 99, then A0, A1 … YY (E3).

    Raises InvalidCodeError below 1; the caller names the parent when 750 are used up.
    """
    if nth < 1 or nth > MAX_CHILDREN:
        raise InvalidCodeError(
            N_("A subordinate unit has a number from 1 to %(limit)s, not %(given)s."),
            limit=MAX_CHILDREN,
            given=nth,
        )
    if nth <= _NUMERIC_SUFFIXES:
        return f"{nth:02d}"
    letter, character = divmod(nth - _NUMERIC_SUFFIXES - 1, len(USCC_CHARSET))
    return _LETTERS[letter] + USCC_CHARSET[character]


def find_suffix_position(suffix: str) -> int:
    """Return which child a suffix belongs to: the inverse of `compute_suffix`.

    Raises InvalidCodeError for anything else.
    """
    if not _SUFFIX_PATTERN.fullmatch(suffix):
        raise InvalidCodeError(
            N_("%(suffix)s is not the suffix of a derived unit code (01-99, A0-YY)."),
            suffix=suffix,
        )
    if suffix.isdigit():
        return int(suffix)
    rank = _LETTERS.index(suffix[0]) * len(USCC_CHARSET) + USCC_CHARSET.index(suffix[1])
    return _NUMERIC_SUFFIXES + 1 + rank


def next_suffix(used: Iterable[str], *, parent_code: str = "") -> str:
    """Return the suffix after the highest ever used (E3: a freed number is never given again).

    `used` holds every suffix ever allocated under the parent; the caller holds the lock.
    Raises CodeSpaceExhaustedError after the 750th.
    """
    nth = max((find_suffix_position(suffix) for suffix in used), default=0) + 1
    if nth > MAX_CHILDREN:
        raise CodeSpaceExhaustedError(parent_code=parent_code, limit=MAX_CHILDREN)
    return compute_suffix(nth)


def derive_code(parent_code: str, nth: int) -> str:
    """Return the code of the parent's n-th subordinate unit without a code of its own.

    Annex 3: "取上级单位的社会信用代码，在其后增加标识". Length, character set and depth of the
    parent are checked, its check character is not: the notice's own example is masked (E1, E2).
    Raises InvalidCodeError, or CodeSpaceExhaustedError from the 751st on.
    """
    parent_code = normalise_code(parent_code)
    require_parent_code(parent_code)
    if nth > MAX_CHILDREN:
        raise CodeSpaceExhaustedError(parent_code=parent_code, limit=MAX_CHILDREN)
    return parent_code + compute_suffix(nth)


def require_parent_code(parent_code: str) -> None:
    """Refuse a code no further unit can be derived from (E2)."""
    depth, odd = divmod(len(parent_code) - USCC_LENGTH, SUFFIX_LENGTH)
    if depth < 0 or odd:
        raise InvalidCodeError(
            N_(
                "A unit code has 18 characters and two more for each level below, "
                "not %(length)s. Check the code of the superior unit."
            ),
            length=len(parent_code),
        )
    if depth >= MAX_DEPTH:
        raise InvalidCodeError(
            N_(
                "%(parent_code)s is already %(depth)s levels below a unit with its own code; "
                "deeper is not possible. Register the new unit one level higher."
            ),
            parent_code=parent_code,
            depth=depth,
        )
    _require_charset(parent_code)
    for start in range(USCC_LENGTH, len(parent_code), SUFFIX_LENGTH):
        find_suffix_position(parent_code[start : start + SUFFIX_LENGTH])


def count_depth(code: str) -> int:
    """Return how many derived levels a stored unit code has: 0 for an own code."""
    return (len(code) - USCC_LENGTH) // SUFFIX_LENGTH


def compute_id_check(body: str) -> str:
    """Return the check character of the first 17 digits (GB 11643)."""
    total = sum(int(digit) * weight for digit, weight in zip(body, _ID_WEIGHTS, strict=True))
    return _ID_CHECKS[total % 11]


def check_resident_id(number: str, *, today: date) -> None:
    """Refuse what is not an 18-character identity number, with the reason (E7).

    Resident ID cards, residence permits of Hong Kong, Macao and Taiwan residents (81, 82, 83) and
    foreign permanent resident cards (9…). A small x is accepted. Raises InvalidIdentityError.
    """
    number = normalise_code(number)
    if len(number) != _ID_LENGTH:
        raise InvalidIdentityError(
            N_(
                "The identity number has 18 characters, not %(length)s. "
                "Compare it with the document."
            ),
            length=len(number),
        )
    if not _ID_PATTERN.fullmatch(number):
        raise InvalidIdentityError(
            N_(
                "The identity number has 17 digits and then a digit or X. "
                "Compare it with the document."
            )
        )
    _require_issuing_province(number)
    _require_birth_date(number, today)
    if compute_id_check(number[:-1]) != number[-1]:
        raise InvalidIdentityError(
            N_(
                "The last character of the identity number does not match the others. "
                "Compare it with the document."
            )
        )


def _require_issuing_province(number: str) -> None:
    province = number[1:3] if number[0] == "9" else number[:2]
    known = _MAINLAND_PROVINCES if number[0] == "9" else _MAINLAND_PROVINCES | _HMT_PREFIXES
    if province not in known:
        raise InvalidIdentityError(
            N_(
                "No province has the code %(province)s the identity number begins with. "
                "Compare it with the document."
            ),
            province=province,
        )


def _require_birth_date(number: str, today: date) -> None:
    try:
        born_on = read_birth_date(number)
    except ValueError as error:
        raise InvalidIdentityError(
            N_(
                "The date of birth %(digits)s in the identity number does not exist. "
                "Compare it with the document."
            ),
            digits=number[6:14],
        ) from error
    if not _EARLIEST_BIRTH <= born_on <= today:
        raise InvalidIdentityError(
            N_(
                "The date of birth %(born_on)s in the identity number cannot be right. "
                "Compare it with the document."
            ),
            born_on=born_on.isoformat(),
        )


def read_birth_date(number: str) -> date:
    """Return the date of birth in an 18-character number; ValueError when there is no such day."""
    digits = number[6:14]
    return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))


def read_gender(number: str) -> Gender:
    """Return the gender an 18-character number tells: its 17th digit is odd for men."""
    return Gender.MALE if int(number[16]) % 2 else Gender.FEMALE


def identify_document(number: str) -> IdentityDocument:
    """Return which card an 18-character number belongs to, by its prefix (E7)."""
    if number[0] == "9":
        return IdentityDocument.PERMANENT_RESIDENT_ID
    if number[:2] in _HMT_PREFIXES:
        return IdentityDocument.HMT_RESIDENCE_PERMIT
    return IdentityDocument.RESIDENT_ID


def check_document_number(document: IdentityDocument, number: str, *, today: date) -> None:
    """Refuse a number that does not fit the chosen kind of document (E7).

    Passports and travel permits carry no check character; only their form is checked.
    Raises InvalidIdentityError.
    """
    number = normalise_code(number)
    pattern = _OTHER_DOCUMENTS.get(document)
    if pattern is not None:
        if not pattern.fullmatch(number):
            raise InvalidIdentityError(
                N_(
                    "The number does not have the form of the chosen document. "
                    "Compare it with the document."
                )
            )
        return
    check_resident_id(number, today=today)
    if identify_document(number) is not document:
        raise InvalidIdentityError(
            N_(
                "The number belongs to another kind of document. "
                "Choose the kind printed on the card."
            )
        )


def mask_identity(number: str) -> str:
    """Return an identity number for display: three characters, stars, the last four."""
    return _mask(number, 3, 4)


def mask_phone(phone: str) -> str:
    """Return a phone number for display: 138****5678; other lengths show the last two only."""
    return _mask(phone, 3, 4) if len(phone) == _PHONE_LENGTH else _mask(phone, 0, 2)


def _mask(text: str, head: int, tail: int) -> str:
    hidden = len(text) - head - tail
    if hidden < _LEAST_HIDDEN:
        return "*" * len(text)
    return text[:head] + "*" * hidden + text[len(text) - tail :]
