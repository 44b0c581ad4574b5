"""Changing the data key while the portal runs: every value, none lost, broken off and gone on."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.crypto import AES, SM4, Keyring, Seal, keyring, use_keyring
from app.extensions import db, unit_of_work
from app.models import Person, Unit
from app.services import key_rotation
from app.services.key_rotation import MissingKeyError, count_seals, reseal_batch

K2 = base64.b64encode(os.urandom(32)).decode()
PEOPLE = Person.__table__


@pytest.fixture(autouse=True)
def _ring_as_before() -> Iterator[None]:
    """The ring belongs to the process: give it back."""
    yield
    if RINGS:
        use_keyring(RINGS.pop())


RINGS: list[Keyring] = []


def go_over_to(app: Flask, *, cipher: str = AES, keep_old: bool = True) -> None:
    """Configure a new key k2 in front, as a restart with new DATA_KEYS does."""
    if not RINGS:
        RINGS.append(keyring())
    keys = f"k2:{K2}" + (f",{app.config['DATA_KEYS']}" if keep_old else "")
    use_keyring(Keyring.parse(keys, app.config["HASH_KEY"], cipher))


def seals() -> dict[str, set[Seal | None]]:
    """Which seals each column carries."""
    found: dict[str, set[Seal | None]] = {}
    for values in count_seals():
        found.setdefault(values.column, set()).add(values.seal)
    return found


def contacts() -> dict[int, str]:
    """The telephone of every unit's contact."""
    found = select(Unit.id, Unit.contact_phone).where(Unit.contact_phone.is_not(None))
    return dict(db.session.execute(found).all())


def numbers() -> dict[int, tuple[str, str | None]]:
    """Every person's full numbers."""
    rows = db.session.execute(select(Person.id, Person.identity_number, Person.phone))
    return {row[0]: (row[1], row[2]) for row in rows}


def test_encrypted_columns_are_found_by_their_type() -> None:
    names = {str(column) for column in key_rotation.encrypted_columns()}
    assert names >= {
        "person.identity_number",
        "person.phone",
        "unit.contact_phone",
        "objection.objector_name",
        "objection.objector_contact",
    }


@pytest.mark.parametrize("cipher", [AES, SM4])
def test_every_value_is_sealed_anew_and_says_the_same(own_app: Flask, cipher: str) -> None:
    with own_app.app_context():
        before, units = numbers(), contacts()
        assert len(units) > 5
    go_over_to(own_app, cipher=cipher)
    done = own_app.test_cli_runner().invoke(args=["keys", "rotate", "--batch", "7"])
    assert done.exit_code == 0, done.output
    with own_app.app_context():
        assert f"{2 * len(before) + len(units)} values sealed anew with k2 {cipher}" in done.output
        assert {s for found in seals().values() for s in found} == {Seal("k2", cipher)}
        assert (numbers(), contacts()) == (before, units)
    go_over_to(own_app, cipher=cipher, keep_old=False)
    with own_app.app_context():
        key_rotation.require_keys()
        assert numbers() == before
    again = own_app.test_cli_runner().invoke(args=["keys", "rotate"])
    assert "0 values sealed anew" in again.output


def test_dry_run_counts_and_changes_nothing(own_app: Flask) -> None:
    with own_app.app_context():
        count = len(numbers())
    go_over_to(own_app)
    done = own_app.test_cli_runner().invoke(args=["keys", "rotate", "--dry-run"])
    assert f"person.identity_number: {count} to seal anew" in done.output
    with own_app.app_context():
        assert seals()["person.phone"] == {Seal("k1", AES)}


def test_broken_off_it_goes_on_where_it_stopped(own_app: Flask) -> None:
    go_over_to(own_app)
    with own_app.app_context():
        with unit_of_work():
            first = reseal_batch(PEOPLE, after=None, size=3)
        reseal_batch(PEOPLE, after=first.last, size=3)
        db.session.rollback()  # killed before the commit
        counted = {v.seal: v.count for v in count_seals() if v.column == "person.identity_number"}
        assert counted[Seal("k2", AES)] == 3
    assert own_app.test_cli_runner().invoke(args=["keys", "rotate", "--batch", "4"]).exit_code == 0
    with own_app.app_context():
        assert seals()["person.identity_number"] == {Seal("k2", AES)}


def test_what_somebody_writes_meanwhile_is_kept(
    own_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phone is changed between the reading and the writing of the rotation."""
    go_over_to(own_app)
    written = threading.Event()
    reseal = Keyring.reseal

    def change_phone() -> None:
        with own_app.app_context(), unit_of_work():
            db.session.get_one(Person, 1).phone = "13900000001"
        written.set()

    def slow(ring: Keyring, blob: bytes) -> bytes:
        if not written.is_set():
            writer = threading.Thread(target=change_phone)
            writer.start()
            writer.join()
        return reseal(ring, blob)

    monkeypatch.setattr(Keyring, "reseal", slow)
    with own_app.app_context():
        with unit_of_work():
            batch = reseal_batch(PEOPLE, after=None, size=1)
        assert written.is_set()
        assert (batch.changed, batch.overtaken) == (1, 1)
        db.session.expire_all()
        assert db.session.get_one(Person, 1).phone == "13900000001"
        assert seals()["person.phone"] == {Seal("k1", AES), Seal("k2", AES)}


def test_a_writer_beside_the_rotation_loses_nothing(own_app: Flask) -> None:
    """Somebody changes phones all the time while everything is sealed anew."""
    go_over_to(own_app)
    with own_app.app_context():
        ids = sorted(numbers())
    stop = threading.Event()
    last: dict[int, str] = {}

    def write() -> None:
        step = 0
        while not stop.is_set() or step < 40:
            step += 1
            person_id = ids[step % len(ids)]
            phone = f"139{step:08d}"
            with own_app.app_context(), unit_of_work():
                db.session.get_one(Person, person_id).phone = phone
            last[person_id] = phone

    writer = threading.Thread(target=write)
    writer.start()
    done = own_app.test_cli_runner().invoke(args=["keys", "rotate", "--batch", "2"])
    stop.set()
    writer.join()
    assert done.exit_code == 0, done.output
    with own_app.app_context():
        after = numbers()
        assert {person_id: after[person_id][1] for person_id in last} == last
        assert seals()["person.identity_number"] == {Seal("k2", AES)}


def test_a_missing_key_is_refused_in_words(own_app: Flask) -> None:
    with own_app.app_context():
        count = sum(values.count for values in count_seals())
    go_over_to(own_app, keep_old=False)
    with own_app.app_context(), pytest.raises(MissingKeyError) as refused:
        key_rotation.require_keys()
    assert refused.value.params == {"keys": "k1", "count": count}
    for command in (["keys", "check"], ["keys", "status"], ["keys", "rotate"]):
        done = own_app.test_cli_runner().invoke(args=command)
        assert done.exit_code == 1
        assert "k1" in done.output
        assert "Traceback" not in done.output


def test_status_says_which_keys_are_in_use_and_which_may_go(own_app: Flask) -> None:
    runner = own_app.test_cli_runner()
    go_over_to(own_app, cipher=SM4)
    rows = json.loads(runner.invoke(args=["keys", "status", "--json"]).output)
    assert {"column": "person.phone", "key": "k1", "cipher": AES} in [
        {name: row[name] for name in ("column", "key", "cipher")} for row in rows
    ]
    assert "may be taken out" not in runner.invoke(args=["keys", "status"]).output
    runner.invoke(args=["keys", "rotate"])
    said = runner.invoke(args=["keys", "status"]).output
    assert "current: k2 sm4-gcm" in said
    assert "no value needs k1 any more" in said


def test_what_does_not_open_is_named_by_its_row_and_left(own_app: Flask) -> None:
    go_over_to(own_app)
    with own_app.app_context(), unit_of_work():
        db.session.execute(
            text("UPDATE person SET phone = overlay(phone placing '\\x00' from 20) WHERE id = 2")
        )
    done = own_app.test_cli_runner().invoke(args=["keys", "rotate", "--batch", "3"])
    assert done.exit_code == 1
    assert "person.phone 2: does not open with its key" in done.output
    with own_app.app_context():
        assert seals()["person.identity_number"] == {Seal("k2", AES)}
