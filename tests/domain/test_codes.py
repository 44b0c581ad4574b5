"""Unit codes, derived codes, identity numbers, masks; compared with python-stdnum."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stdnum.cn import ric, uscc

from app.domain.codes import (
    MAX_CHILDREN,
    USCC_CHARSET,
    check_document_number,
    check_resident_id,
    check_uscc,
    compute_id_check,
    compute_suffix,
    compute_uscc_check,
    count_depth,
    derive_code,
    find_suffix_position,
    identify_document,
    mask_identity,
    mask_phone,
    next_suffix,
    normalise_code,
    read_birth_date,
    read_gender,
)
from app.domain.errors import CodeSpaceExhaustedError, InvalidCodeError, InvalidIdentityError
from app.domain.terms import Gender, IdentityDocument

TODAY = date(2022, 8, 3)
MASKED = "125201007897XXXXXX"  # the notice's own example


def with_id_check(body: str) -> str:
    return body + compute_id_check(body)


def with_uscc_check(body: str) -> str:
    return body + compute_uscc_check(body)


def test_the_charset_has_31_characters() -> None:
    assert len(set(USCC_CHARSET)) == 31
    assert not set(USCC_CHARSET) & set("IOSVZ")


def test_a_real_code_passes() -> None:
    check_uscc("91350100M000100Y43")
    check_uscc("  91350100m000100y43 ")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("91350100M000100Y4Z", "The character Z cannot occur"),
        ("91350100M000100Y44", "last character"),
        ("91350100M000100Y4", "18 characters, not 17"),
        ("91350100M000100Y433", "18 characters, not 19"),
        ("", "18 characters, not 0"),
        ("9135010AM000100Y43", "Characters 3 to 8"),
        ("９1350100M000100Y43", "The character ９ cannot occur"),
        ("91350100M000100Y4%", "The character % cannot occur"),
    ],
)
def test_a_wrong_code_is_refused_with_its_reason(code: str, message: str) -> None:
    with pytest.raises(InvalidCodeError, match=message):
        check_uscc(code)


@given(st.text(USCC_CHARSET, min_size=17, max_size=17))
def test_uscc_check_character_agrees_with_stdnum(body: str) -> None:
    assert compute_uscc_check(body) == uscc.calc_check_digit(body)


@given(
    st.sampled_from(["12", "52", "91", "92", "93"]),
    st.integers(110000, 659999),
    st.text(USCC_CHARSET, min_size=9, max_size=9),
)
def test_what_stdnum_accepts_passes(kind: str, division: int, organisation: str) -> None:
    code = with_uscc_check(f"{kind}{division}{organisation}")
    assume(uscc.is_valid(code))
    check_uscc(code)


@pytest.mark.parametrize("kind", ["N1", "A1", "Y1"])
def test_classes_stdnum_wrongly_refuses_pass(kind: str) -> None:
    code = with_uscc_check(f"{kind}520100MB0000001")
    assert not uscc.is_valid(code)
    check_uscc(code)


@given(st.integers(0, 16), st.sampled_from(USCC_CHARSET))
def test_one_wrong_character_is_noticed(position: int, character: str) -> None:
    code = "91350100M000100Y43"
    assume(code[position] != character)
    with pytest.raises(InvalidCodeError):
        check_uscc(code[:position] + character + code[position + 1 :])


@pytest.mark.parametrize(
    ("nth", "suffix"),
    [(1, "01"), (9, "09"), (10, "10"), (99, "99"), (100, "A0"), (101, "A1"), (130, "AY"),
     (131, "B0"), (749, "YX"), (750, "YY")],
)  # fmt: skip
def test_suffixes_go_on_with_letters_after_99(nth: int, suffix: str) -> None:
    assert compute_suffix(nth) == suffix
    assert find_suffix_position(suffix) == nth


def test_there_are_750_suffixes() -> None:
    suffixes = [compute_suffix(nth) for nth in range(1, MAX_CHILDREN + 1)]
    assert MAX_CHILDREN == 750
    assert len(set(suffixes)) == 750
    assert {len(suffix) for suffix in suffixes} == {2}


@pytest.mark.parametrize("nth", [0, -1, 751])
def test_there_is_no_other_suffix(nth: int) -> None:
    with pytest.raises(InvalidCodeError, match="1 to 750"):
        compute_suffix(nth)


@pytest.mark.parametrize("suffix", ["00", "0A", "A", "100", "I0", "AI", "", "0１"])
def test_what_is_no_suffix_has_no_position(suffix: str) -> None:
    with pytest.raises(InvalidCodeError):
        find_suffix_position(suffix)


def test_next_suffix_follows_the_highest_ever_used() -> None:
    assert next_suffix([]) == "01"
    assert next_suffix(["01", "02"]) == "03"
    assert next_suffix(["01", "07"]) == "08"  # 02-06 were freed and are never given again
    assert next_suffix(["99"]) == "A0"
    assert next_suffix(["A0", "99"]) == "A1"


def test_next_suffix_ends_at_750() -> None:
    assert next_suffix(["YX"]) == "YY"
    with pytest.raises(CodeSpaceExhaustedError) as caught:
        next_suffix(["YY"], parent_code=MASKED)
    assert caught.value.params == {"parent_code": MASKED, "limit": 750}


@pytest.mark.parametrize(
    ("parent", "nth", "code"),
    [
        (MASKED, 1, MASKED + "01"),
        (MASKED, 100, MASKED + "A0"),
        (MASKED, 101, MASKED + "A1"),
        (MASKED, 750, MASKED + "YY"),
        (MASKED + "01", 1, MASKED + "0101"),
        (MASKED + "A0YY99", 2, MASKED + "A0YY9902"),
        (MASKED.lower(), 1, MASKED + "01"),
    ],
)
def test_a_derived_code_is_the_parents_and_two_more(parent: str, nth: int, code: str) -> None:
    assert derive_code(parent, nth) == code


def test_depth_counts_the_derived_levels() -> None:
    assert [count_depth(MASKED + "01" * depth) for depth in range(5)] == [0, 1, 2, 3, 4]


def test_the_751st_child_is_refused() -> None:
    with pytest.raises(CodeSpaceExhaustedError, match="intermediate units"):
        derive_code(MASKED, 751)


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        (MASKED[:-1], "not 17"),
        (MASKED + "1", "not 19"),
        ("", "not 0"),
        (MASKED + "01010101", "already 4 levels"),
        (MASKED + "0101010101", "already 5 levels"),
        (MASKED[:-1] + "Z", "character Z"),
        (MASKED + "00", "00 is not the suffix"),
    ],
)
def test_nothing_is_derived_from_a_wrong_code(parent: str, message: str) -> None:
    with pytest.raises(InvalidCodeError, match=message):
        derive_code(parent, 1)


@given(st.lists(st.integers(1, MAX_CHILDREN), min_size=1, max_size=4))
def test_derived_codes_tell_their_ancestry(path: list[int]) -> None:
    code = MASKED
    for nth in path:
        code = derive_code(code, nth)
    assert len(code) == 18 + 2 * len(path)
    suffixes = [code[start : start + 2] for start in range(18, len(code), 2)]
    assert [find_suffix_position(suffix) for suffix in suffixes] == path


@pytest.mark.parametrize(
    "number",
    [
        "11010519491231002X",
        "11010519491231002x",
        " 11010519491231002X ",
        with_id_check("52010219840229001"),
        with_id_check("52230119650101001"),  # 522301 of 1965: stdnum refuses this person
        with_id_check("33011319900101001"),  # 330113: stdnum ends in a KeyError
        with_id_check("81000019900101001"),
        with_id_check("82000019900101001"),
        with_id_check("83000019900101001"),
        with_id_check("91112419810803002"),  # foreign permanent resident card
        with_id_check("71000019900101001"),
        with_id_check("52010220220803001"),  # born today
        with_id_check("52010219000101001"),
    ],
)
def test_real_people_pass(number: str) -> None:
    check_resident_id(number, today=TODAY)


def test_stdnum_would_refuse_some_of_them() -> None:
    assert not ric.is_valid(with_id_check("81000019900101001"))


@given(
    st.sampled_from(["110101", "440305", "310104", "520102"]),
    st.dates(date(1950, 1, 1), date(2004, 12, 31)),
    st.integers(0, 999),
)
def test_id_check_character_agrees_with_stdnum(division: str, born_on: date, order: int) -> None:
    body = f"{division}{born_on:%Y%m%d}{order:03d}"
    assert compute_id_check(body) == ric.calc_check_digit(body + "?")
    number = with_id_check(body)
    check_resident_id(number, today=TODAY)
    assert read_birth_date(number) == born_on
    assert read_gender(number) is (Gender.MALE if order % 2 else Gender.FEMALE)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("1101051949123100", "18 characters, not 16"),
        ("110105491231002", "18 characters, not 15"),
        ("", "18 characters, not 0"),
        ("11010519491231002A", "17 digits"),
        ("1101051949123100XX", "17 digits"),
        ("１1010519491231002X", "17 digits"),
        ("110105194912310021", "last character"),
        (with_id_check("16010519491231002"), "No province has the code 16"),
        (with_id_check("00010519491231002"), "No province has the code 00"),
        (with_id_check("99912419810803002"), "No province has the code 99"),
        (with_id_check("11010519490229002"), "19490229"),
        (with_id_check("11010519491301002"), "19491301"),
        (with_id_check("11010500000101002"), "00000101"),
        (with_id_check("52010220220804001"), "2022-08-04"),
        (with_id_check("52010218991231001"), "1899-12-31"),
    ],
)
def test_a_wrong_number_is_refused_with_its_reason(number: str, message: str) -> None:
    with pytest.raises(InvalidIdentityError, match=message):
        check_resident_id(number, today=TODAY)


@pytest.mark.parametrize(
    ("number", "document"),
    [
        (with_id_check("52010219900101001"), IdentityDocument.RESIDENT_ID),
        (with_id_check("83000019900101001"), IdentityDocument.HMT_RESIDENCE_PERMIT),
        (with_id_check("91112419810803002"), IdentityDocument.PERMANENT_RESIDENT_ID),
    ],
)
def test_the_prefix_tells_the_document(number: str, document: IdentityDocument) -> None:
    assert identify_document(number) is document
    check_document_number(document, number, today=TODAY)
    others = {
        IdentityDocument.RESIDENT_ID,
        IdentityDocument.HMT_RESIDENCE_PERMIT,
        IdentityDocument.PERMANENT_RESIDENT_ID,
    } - {document}
    for other in others:
        with pytest.raises(InvalidIdentityError, match="another kind of document"):
            check_document_number(other, number, today=TODAY)


def test_passports_and_permits_are_checked_by_their_form() -> None:
    check_document_number(IdentityDocument.PASSPORT, "e12345678", today=TODAY)
    check_document_number(IdentityDocument.TRAVEL_PERMIT, "H12345678", today=TODAY)
    check_document_number(IdentityDocument.TRAVEL_PERMIT, "12345678", today=TODAY)
    for document, number in (
        (IdentityDocument.PASSPORT, "E-1"),
        (IdentityDocument.TRAVEL_PERMIT, "X12345678"),
    ):
        with pytest.raises(InvalidIdentityError, match="form of the chosen document"):
            check_document_number(document, number, today=TODAY)


def test_a_typed_code_is_stored_in_capitals() -> None:
    assert normalise_code(" 11010519491231002x\n") == "11010519491231002X"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("11010519491231002X", "110***********002X"),
        ("E12345678", "*********"),
        ("H1234567890", "H12****7890"),
        ("", ""),
    ],
)
def test_an_identity_number_is_masked(number: str, shown: str) -> None:
    assert mask_identity(number) == shown


@pytest.mark.parametrize(
    ("phone", "shown"),
    [("13812345678", "138****5678"), ("085112345678", "**********78"), ("12345", "*****")],
)
def test_a_phone_number_is_masked(phone: str, shown: str) -> None:
    assert mask_phone(phone) == shown
