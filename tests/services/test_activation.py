"""Activation: a code, a text, a password; once (rules E9)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.domain.errors import (
    ConflictError,
    DomainError,
    NotPermittedError,
    RuleViolation,
    WeakPasswordError,
)
from app.domain.terms import ApplicantKind, IdentityDocument
from app.extensions import db
from app.models import Account, AuditEntry, EvaluationPlan, FormerPassword, Unit
from app.passwords import verify_password
from app.services import accounts, activation, settings, sign_in_codes, texts
from app.services.accounts import NewAccount
from app.services.activation_codes import find_activation_end, hash_activation_code
from app.services.actors import PUBLIC
from app.services.people import PersonDraft
from app.services.sign_in_codes import WrongCodeError
from app.services.units import unit_ref
from tests.conftest import at
from tests.factories import staff

NOW = at("2022-08-03T09:00:00")
END = at("2022-12-10T00:00:00")
PASSWORD = "Shuimo-Jiangshan7"
PHONE = "19900008888"

pytestmark = pytest.mark.usefixtures("no_tries_left_over")


def number() -> str:
    from app.domain.codes import compute_id_check

    body = "52010219880312931"
    return body + compute_id_check(body)


def new_person() -> NewAccount:
    """A person of 黔中建筑设计院, entered by its handler 刘伟."""
    actor = staff("刘伟")
    unit = db.session.get_one(Unit, actor.unit_id)
    draft = PersonDraft(
        "何初一", IdentityDocument.RESIDENT_ID, number(), PHONE, ApplicantKind.EMPLOYEE
    )
    return accounts.create_personal_account(
        draft, unit=unit_ref(unit), is_handler=False, declared=True, actor=actor, now=NOW
    )


def send(account: Account) -> str:
    """Have the text sent and read it in the box of the rehearsal."""
    activation.send_activation_text(account, actor=PUBLIC, now=NOW)
    return texts.rehearsal_texts()[0].code


def open_with(made: NewAccount, code: str, password: str = PASSWORD) -> Account:
    account = made.account
    return activation.activate_account(
        account.id,
        account.activation_hash,
        text_code=code,
        new=password,
        repeated=password,
        actor=PUBLIC,
        now=NOW,
    )


def test_new_account_has_no_password_and_a_code_until_the_last_window_closes(app: Flask):
    made = new_person()
    account = made.account
    assert (account.password, account.activation_expires_at) == (None, END)
    assert account.activation_hash == hash_activation_code(made.activation_code)
    assert made.activation_code not in (account.activation_hash or "")


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2022-12-09T23:59:59", "2022-12-10T00:00:00"),
        ("2022-12-10T00:00:00", "2023-01-10T00:00:00"),
    ],
)
def test_code_given_after_the_last_window_ends_after_so_many_days(app: Flask, now: str, end: str):
    assert find_activation_end(at(now)) == at(end)


def test_code_of_a_site_without_a_plan_ends_after_so_many_days(app: Flask):
    db.session.execute(update(EvaluationPlan).values(published_at=None))
    settings.set_parameter("activation_code_days", 7)
    assert find_activation_end(NOW) == at("2022-08-11T00:00:00")


@pytest.mark.parametrize(
    ("now", "holds"),
    [(END - timedelta(seconds=1), True), (END, False), (END + timedelta(seconds=1), False)],
)
def test_code_ends_at_24_hours_of_the_last_day(app: Flask, now, holds: bool):
    made = new_person()
    if holds:
        activation.check_activation_code(made.account, made.activation_code, now=now)
        return
    with pytest.raises(RuleViolation, match="Ask your unit"):
        activation.check_activation_code(made.account, made.activation_code, now=now)


def test_code_is_read_as_people_type_it(app: Flask):
    made = new_person()
    typed = " " + made.activation_code.lower().replace("-", " ")
    assert activation.check_activation_code(made.account, typed, now=NOW) is made.account


def test_wrong_code_unknown_login_and_closed_account_get_one_answer(app: Flask):
    made = new_person()
    answers = set()
    for account, code in ((made.account, "AAAA-BBBB-CCCC"), (None, made.activation_code)):
        with pytest.raises(activation.WrongActivationError) as refused:
            activation.check_activation_code(account, code, now=NOW)
        answers.add(str(refused.value))
    made.account.active = False
    with pytest.raises(activation.WrongActivationError) as refused:
        activation.check_activation_code(made.account, made.activation_code, now=NOW)
    answers.add(str(refused.value))
    assert len(answers) == 1


def test_account_without_a_code_is_not_opened_by_an_empty_one(app: Flask):
    account = db.session.scalars(select(Account).where(Account.username == "province")).one()
    for code in ("", " ", "-"):
        with pytest.raises(activation.WrongActivationError):
            activation.check_activation_code(account, code, now=NOW)


def test_activation_sets_the_password_and_makes_the_account_real_name(app: Flask):
    made = new_person()
    account = open_with(made, send(made.account))
    assert verify_password(account.password, PASSWORD)
    assert (account.activation_hash, account.activation_expires_at) == (None, None)
    assert (account.activated_at, account.real_name_verified_at) == (NOW, NOW)
    assert not account.must_change_password
    actions = db.session.scalars(
        select(AuditEntry.action)
        .where(AuditEntry.object_type == "Account", AuditEntry.object_id == str(account.id))
        .order_by(AuditEntry.id)
    ).all()
    assert actions == ["create_account", "send_sms_code", "activate_account"]


def test_code_opens_once(app: Flask):
    made = new_person()
    held = made.account.activation_hash
    open_with(made, send(made.account))
    with pytest.raises(ConflictError):
        activation.activate_account(
            made.account.id,
            held,
            text_code="000000",
            new=PASSWORD,
            repeated=PASSWORD,
            actor=PUBLIC,
            now=NOW,
        )
    with pytest.raises(activation.WrongActivationError):
        activation.check_activation_code(made.account, made.activation_code, now=NOW)


def test_code_without_the_text_opens_nothing(app: Flask):
    made = new_person()
    code = send(made.account)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    with pytest.raises(WrongCodeError):
        open_with(made, wrong)
    assert made.account.password is None


def test_refused_password_costs_neither_code(app: Flask):
    made = new_person()
    code = send(made.account)
    for weak in ("123@abc", "kurz1A!", "Born-19880312", PHONE + "Ab!"):
        with pytest.raises(WeakPasswordError):
            open_with(made, code, weak)
    assert open_with(made, code).activated_at == NOW


def test_printed_password_opens_like_a_code_and_is_refused_as_a_password(app: Flask):
    settings.set_parameter("shared_initial_password_enabled", True)
    made = new_person()
    assert made.activation_code == "123@abc"
    checked = activation.check_activation_code(made.account, "123@abc", now=NOW)
    code = send(checked)
    with pytest.raises(WeakPasswordError):
        open_with(made, code, "123@abc")
    open_with(made, code)
    with pytest.raises(activation.WrongActivationError):
        activation.check_activation_code(made.account, "123@abc", now=NOW)


def test_new_code_replaces_the_one_before_and_the_password(app: Flask):
    made = new_person()
    open_with(made, send(made.account))
    sign_in_stamp = made.account.session_stamp
    again = accounts.reset_password(made.account.id, "忘记密码", actor=staff("刘伟"), now=NOW)
    assert made.account.password is None
    assert made.account.session_stamp > sign_in_stamp
    with pytest.raises(activation.WrongActivationError):
        activation.check_activation_code(made.account, made.activation_code, now=NOW)
    activation.check_activation_code(again.account, again.activation_code, now=NOW)
    kept = db.session.scalars(
        select(FormerPassword.password_hash).where(FormerPassword.account_id == again.account.id)
    ).all()
    assert [verify_password(each, PASSWORD) for each in kept] == [True]


def test_password_from_before_the_reset_is_not_chosen_again(
    app: Flask, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sign_in_codes, "_pause", lambda _receiver: None)
    made = new_person()
    open_with(made, send(made.account))
    again = accounts.reset_password(made.account.id, "忘记密码", actor=staff("刘伟"), now=NOW)
    with pytest.raises(WeakPasswordError, match="last 5"):
        open_with(again, send(again.account))


def test_unit_account_opens_with_a_text_to_its_contact(app: Flask, unit: Callable[[str], Unit]):
    account = db.session.scalars(select(Account).where(Account.username == "nmdesign")).one()
    made = accounts.reset_password(account.id, "专人变更", actor=staff("nmhousing"), now=NOW)
    code = send(made.account)
    assert texts.rehearsal_texts()[0].phone_mask.endswith(account.unit.contact_phone[-4:])
    opened = open_with(made, code)
    assert opened.real_name_verified_at is None  # unit accounts are exempt (notice 三(二))


def test_superior_enters_the_phone_of_a_unit_account_that_has_none(app: Flask):
    account = db.session.scalars(select(Account).where(Account.username == "nmdesign")).one()
    account.unit.contact_phone = None
    actor = staff("nmhousing")
    with pytest.raises(RuleViolation, match="Enter the number"):
        accounts.reset_password(account.id, "专人变更", actor=actor, now=NOW)
    with pytest.raises(RuleViolation, match="11 digits"):
        accounts.reset_password(account.id, "专人变更", phone="0851-1234", actor=actor, now=NOW)
    made = accounts.reset_password(account.id, "专人变更", phone=PHONE, actor=actor, now=NOW)
    assert texts.phone_of(made.account) == PHONE
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "reset_password")
    ).one()
    assert entry.after == {"phone": "199****8888"}


@pytest.mark.parametrize("login", ["auditor", "sysadmin", "province2"])
def test_phone_of_an_administrator_is_changed_by_the_operator_alone(app: Flask, login: str):
    """With code and telephone in one hand, one administrator would become the other."""
    account = db.session.scalars(select(Account).where(Account.username == login)).one()
    known = texts.phone_of(account)
    for phone in ("", known):
        accounts.reset_password(account.id, "遗失", phone=phone, actor=staff("security"), now=NOW)
    with pytest.raises(NotPermittedError, match="operator"):
        accounts.reset_password(account.id, "换号", phone=PHONE, actor=staff("security"), now=NOW)
    assert texts.phone_of(account) == known
    result = app.test_cli_runner().invoke(
        args=["found", "phone", login, "--phone", PHONE, "--reason", "换号"]
    )
    assert result.exit_code == 0, result.output
    assert texts.phone_of(account) == PHONE
    assert texts.rehearsal_texts()[0].phone_mask.endswith(known[-4:])
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "replace_phone")).one()
    assert (entry.after, entry.reason) == ({"phone": "199****8888"}, "换号")


def test_code_of_an_account_without_a_phone_says_whom_to_ask(app: Flask):
    made = new_person()
    made.account.person.phone = None
    with pytest.raises(RuleViolation, match="No mobile number"):
        activation.check_activation_code(made.account, made.activation_code, now=NOW)


def test_former_number_is_told_of_another_one(app: Flask):
    made = new_person()
    accounts.reset_password(
        made.account.id, "换号", phone="19900007777", actor=staff("刘伟"), now=NOW
    )
    told = texts.rehearsal_texts()[0]
    assert (told.phone_mask, told.code) == ("199****8888", "")
    assert made.account.person.phone_mask == "199****7777"


def open_in_own_connection(
    own_app: Flask, account_id: int, held: str, code: str, start: threading.Barrier
) -> str:
    """One of several who use the same codes at the same moment: `opened` or the refusal."""
    with own_app.app_context():
        start.wait()
        try:
            activation.activate_account(
                account_id,
                held,
                text_code=code,
                new=PASSWORD,
                repeated=PASSWORD,
                actor=PUBLIC,
                now=NOW,
            )
            db.session.commit()
        except DomainError as error:
            db.session.rollback()
            return error.code
        else:
            return "opened"
        finally:
            db.session.remove()


def use_at_once(own_app: Flask, number: int) -> list[str]:
    """What `number` parallel uses of one activation code and one text end in, sorted."""
    with own_app.app_context():
        made = new_person()
        account_id, held = made.account.id, made.account.activation_hash or ""
        code = send(made.account)
        db.session.commit()
    start, results = threading.Barrier(number), []
    threads = [
        threading.Thread(
            target=lambda: results.append(
                open_in_own_connection(own_app, account_id, held, code, start)
            )
        )
        for _number in range(number)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(results)


def test_one_of_several_parallel_uses_opens_the_account(own_app: Flask):
    assert use_at_once(own_app, 6) == ["conflict"] * 5 + ["opened"]


def without_the_lock(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let all read the account before any of them goes on."""
    reading = threading.Barrier(number)

    def read(account_id: int) -> Account:
        account = db.session.get_one(Account, account_id)
        reading.wait(timeout=30)
        return account

    monkeypatch.setattr(activation, "lock_account", read)


def test_without_the_lock_the_text_still_opens_once(
    own_app: Flask, monkeypatch: pytest.MonkeyPatch
):
    without_the_lock(monkeypatch, 3)
    assert use_at_once(own_app, 3) == ["opened", "wrong_code", "wrong_code"]


def test_without_lock_and_single_use_the_code_opens_several_times(
    own_app: Flask, monkeypatch: pytest.MonkeyPatch
):
    without_the_lock(monkeypatch, 3)
    monkeypatch.setattr(sign_in_codes, "use_code", sign_in_codes.check_code)
    assert use_at_once(own_app, 3) == ["opened"] * 3
