"""The chain of the audit log: written at commit in one order, and every damage found at its row."""

# ruff: noqa: S608 -- the damage is done in SQL, with words of this file only
from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, create_engine, select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from app.append_only import CHAIN_LOCK, ENTRY_COLUMNS, GENESIS, append_only_tables, entry_hash
from app.domain.workflow import ActorRole
from app.extensions import db, unit_of_work
from app.models import AuditEntry, AuditLink, Unit
from app.services import audit
from app.services.actors import SYSTEM
from app.services.audit_anchors import AnchorKeys, anchor_head, read_anchors
from app.services.audit_chain import Damage, Finding, verify
from tests.conftest import as_superuser, at

NOW = at("2022-08-03T09:00:00")
KEYS = AnchorKeys("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
ROWS = 60


def write(count: int, *, reason: str = "") -> None:
    """Write entries of some variety, each in a transaction of its own."""
    for number in range(count):
        with unit_of_work():
            unit = db.session.scalars(select(Unit).order_by(Unit.id)).first()
            audit.record(
                "change_unit",
                unit if number % 3 else audit.Subject("Sitting", f"东馆-{number}"),
                actor=SYSTEM,
                now=NOW,
                before=None if number % 4 else {"name": f"甲{number}", "价": 1.50},
                after={"name": f"乙{number}"},
                reason=reason or f"第 {number} 次",
            )


def links() -> list[Any]:
    return list(db.session.scalars(select(AuditLink).order_by(AuditLink.number)))


# --------------------------------------------------------------------------- writing


def test_every_committed_entry_has_its_link(own_app: Flask) -> None:
    with own_app.app_context():
        start = len(links())
        write(5)
        entries = db.session.scalars(select(AuditEntry.id).order_by(AuditEntry.id)).all()
        chain = links()
        assert [link.number for link in chain] == list(range(1, start + 6))
        assert [link.entry_id for link in chain] == list(entries)
        assert chain[0].previous_hash == GENESIS
        assert [link.previous_hash for link in chain[1:]] == [link.hash for link in chain[:-1]]
        assert verify().holds


def test_link_is_written_at_commit_and_not_before(own_app: Flask) -> None:
    with own_app.app_context():
        before = len(links())
        audit.record("change_unit", None, actor=SYSTEM, now=NOW)
        db.session.flush()
        assert len(links()) == before
        db.session.commit()
        assert len(links()) == before + 1
        audit.record("change_unit", None, actor=SYSTEM, now=NOW)
        db.session.flush()
        db.session.rollback()
        write(1)
        assert [link.number for link in links()] == list(range(1, before + 3))


def test_hash_can_be_recomputed_without_the_database(own_app: Flask) -> None:
    with own_app.app_context():
        write(3)
        link = links()[-1]
        row = db.session.execute(
            text(
                "SELECT id, extract(epoch FROM recorded_at)::text, extract(epoch FROM at)::text,"
                " account_id, actor_name, role, unit_id, address, action, object_type, object_id,"
                " before::text, after::text, reason FROM audit_entry WHERE id = :id"
            ),
            {"id": link.entry_id},
        ).one()
        array = [link.previous_hash, link.number, *row]
        written = json.dumps(array, ensure_ascii=False, separators=(", ", ": "))
        assert hashlib.sha256(written.encode()).hexdigest() == link.hash


def test_hash_covers_every_column() -> None:
    names = {part.split(".")[-1].split(")")[0].split("::")[0] for part in ENTRY_COLUMNS}
    assert names == {column.name for column in AuditEntry.__table__.columns}


def set_width_of_roles(width: int) -> None:
    with unit_of_work():
        as_superuser()
        db.session.execute(text(f"ALTER TABLE audit_entry ALTER COLUMN role TYPE varchar({width})"))


def test_every_role_stands_in_the_entry_and_a_wider_column_keeps_the_chain(own_app: Flask) -> None:
    """As the migration does to what was written before: narrow, written, widened."""
    everyone = replace(SYSTEM, roles=frozenset(ActorRole))
    with own_app.app_context():
        set_width_of_roles(40)
        write(3)
        set_width_of_roles(200)
        with unit_of_work():
            entry = audit.record("change_unit", None, actor=everyone, now=NOW)
        assert len(entry.role) > 40
        assert entry.role.split(",") == sorted(role.value for role in ActorRole)
        assert verify().holds


def race(app: Flask, threads: int, commits: int, *, entries: int = 1) -> list[str]:
    """Parallel connections write at once; what went wrong."""
    barrier = threading.Barrier(threads)
    problems: list[str] = []

    def work(name: int) -> None:
        with app.app_context():
            barrier.wait()
            for commit in range(commits):
                try:
                    with unit_of_work():
                        for _entry in range(entries):
                            audit.record(
                                "change_unit",
                                audit.Subject("Unit", f"{name}-{commit}"),
                                actor=SYSTEM,
                                now=NOW,
                            )
                except IntegrityError as error:
                    problems.append(type(error.orig).__name__)
            db.session.remove()

    workers = [threading.Thread(target=work, args=(name,)) for name in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return problems


def test_parallel_commits_make_one_chain_without_gaps(own_app: Flask) -> None:
    with own_app.app_context():
        start = len(links())
        db.session.rollback()
        assert race(own_app, threads=8, commits=40, entries=2) == []
        chain = links()
        assert [link.number for link in chain] == list(range(1, start + 641))
        assert verify().holds


def test_without_the_lock_parallel_commits_collide(own_app: Flask) -> None:
    with own_app.app_context():
        as_superuser()
        body = db.session.scalar(
            text("SELECT pg_get_functiondef('public.link_audit_entry'::regproc)")
        )
        lock = f"PERFORM pg_advisory_xact_lock({CHAIN_LOCK});"
        assert lock in body
        slow = body.replace(lock, "").replace(
            "head_number := coalesce(head_number, 0) + 1;",
            "head_number := coalesce(head_number, 0) + 1; PERFORM pg_sleep(0.01);",
        )
        db.session.execute(text(slow.replace(":=", r"\:=")))
        db.session.commit()
    assert "UniqueViolation" in race(own_app, threads=8, commits=5)


def test_a_long_transaction_holds_nobody_up(own_app: Flask) -> None:
    with own_app.app_context(), db.engine.connect() as long:
        insert = text(
            "INSERT INTO audit_entry (recorded_at, at, actor_name, role, address, action,"
            " object_type, object_id, reason)"
            " VALUES (now(), now(), 'x', '', '', 'import', 'Account', '1', '')"
        )
        long.execute(insert)
        db.session.execute(text("SET lock_timeout = '2s'"))
        db.session.execute(insert)
        db.session.commit()
        first = db.session.scalar(select(AuditLink.entry_id).order_by(AuditLink.number.desc()))
        long.commit()
        second = db.session.scalar(select(AuditLink.entry_id).order_by(AuditLink.number.desc()))
        assert (first or 0) - (second or 0) == 1
        assert verify().holds


def test_link_function_chains_no_other_table(own_app: Flask) -> None:
    with own_app.app_context():
        table = text("CREATE TEMPORARY TABLE forged (id integer)")
        trigger = text(
            "CREATE TRIGGER forge AFTER INSERT ON forged"
            " FOR EACH ROW EXECUTE FUNCTION public.link_audit_entry()"
        )
        db.session.execute(table)
        with pytest.raises(ProgrammingError, match="permission denied for function"):
            db.session.execute(trigger)
        db.session.rollback()
        as_superuser()
        db.session.execute(table)
        db.session.execute(trigger)
        with pytest.raises(ProgrammingError, match="only audit_entry is chained"):
            db.session.execute(text("INSERT INTO forged (id) VALUES (1)"))
        db.session.rollback()


@pytest.mark.parametrize("table", append_only_tables(db.metadata))
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET hash = hash", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_protected_table_refuses_change_even_to_its_owner(
    app: Flask, table: str, statement: str
) -> None:
    as_superuser()
    for replica in ("origin", "replica"):
        with db.session.begin_nested() as inside:
            db.session.execute(text(f"SET LOCAL session_replication_role = {replica}"))
            without = ("audit_entry", "personal_data_read", "definition_version")
            column = "reason" if table in without else "hash"
            with pytest.raises(ProgrammingError, match=r"table .* is append-only"):
                db.session.execute(text(statement.format(table).replace("hash", column)))
            inside.rollback()


def test_protected_tables_are_these() -> None:
    assert append_only_tables(db.metadata) == [
        "application_event",
        "audit_anchor",
        "audit_entry",
        "audit_link",
        "definition_version",
        "personal_data_read",
    ]


# --------------------------------------------------------------------------- damage


@dataclass
class Chain:
    """A database with a chain, its anchors, and a connection of the superuser."""

    connection: Connection
    file: Path
    numbers: list[int]

    def run(self, statement: str, **values: Any) -> Any:
        """Change rows with all triggers of the tables off."""
        return self.connection.execute(text(statement), values)

    def entry_of(self, number: int) -> int:
        """The entry a link was written for."""
        return int(
            self.run("SELECT entry_id FROM audit_link WHERE number = :n", n=number).scalar_one()
        )


@pytest.fixture
def chain(own_app: Flask, tmp_path: Path) -> Iterator[Chain]:
    """Sixty entries, anchored after the fortieth and at the end."""
    file = tmp_path / "heads.jsonl"
    with own_app.app_context():
        write(ROWS - 20)
        with unit_of_work():
            assert anchor_head(file, KEYS, now=NOW)
        write(20)
        with unit_of_work():
            assert anchor_head(file, KEYS, now=NOW)
        numbers = [link.number for link in links()]
        address = db.engine.url
        db.session.remove()
        engine = create_engine(address)
        with engine.connect() as connection:
            for table in ("audit_entry", "audit_link"):
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
                connection.execute(text(f"CREATE TABLE saved_{table} AS TABLE {table}"))
            for constraint in ("pk_audit_link", "uq_audit_link_entry_id"):
                connection.execute(
                    text(f"ALTER TABLE audit_link DROP CONSTRAINT {constraint} CASCADE")
                )
            connection.commit()
            yield Chain(connection, file, numbers)
        engine.dispose()


def restore(chain: Chain) -> None:
    """Put both tables back as they were written."""
    for table in ("audit_entry", "audit_link"):
        chain.run(f"DELETE FROM {table}")
        chain.run(f"INSERT INTO {table} SELECT * FROM saved_{table}")
    chain.connection.commit()


def found_in(chain: Chain) -> list[Finding]:
    """What a verification finds now."""
    db.session.rollback()
    verdict = verify(read_anchors(chain.file, KEYS), batch=17)
    db.session.rollback()
    return verdict.findings


def names_row(findings: list[Finding], number: int | None, entry_id: int | None) -> bool:
    """Whether a finding names exactly this row, by its number or by its entry."""
    for finding in findings:
        if finding.damage is Damage.OTHER_HEAD:
            continue
        if number is not None and finding.number is not None:
            last = finding.to_number if finding.damage is Damage.MISSING else finding.number
            if finding.number <= number <= (last or finding.number):
                return True
        if entry_id is not None and finding.entry_id == entry_id:
            return True
    return False


COLUMN_CHANGES = {
    "recorded_at": "recorded_at + interval '1 microsecond'",
    "at": "at - interval '1 microsecond'",
    "account_id": "coalesce(account_id, 0) + 1",
    "actor_name": "actor_name || 'x'",
    "role": "role || ','",
    "unit_id": "coalesce(unit_id, 0) + 1",
    "address": "address || ' '",
    "action": "action || 'x'",
    "object_type": "lower(object_type) || 'y'",
    "object_id": "object_id || '0'",
    "before": "CASE WHEN before IS NULL THEN 'null'::jsonb ELSE before || '{\"z\": 1.0}' END",
    "after": 'after || \'{"name": "丙"}\'',
    "reason": "reason || ' '",
}


def change_column(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    number = pick.choice(chain.numbers)
    column, change = pick.choice(sorted(COLUMN_CHANGES.items()))
    entry_id = chain.entry_of(number)
    chain.run(f"UPDATE audit_entry SET {column} = {change} WHERE id = :id", id=entry_id)
    return [(number, entry_id)]


def change_id(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    number = pick.choice(chain.numbers)
    entry_id = chain.entry_of(number)
    chain.run("UPDATE audit_entry SET id = id + 1000000 WHERE id = :id", id=entry_id)
    return [(number, entry_id), (None, entry_id + 1000000)]


def delete_entry(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    number = pick.choice(chain.numbers)
    entry_id = chain.entry_of(number)
    chain.run("DELETE FROM audit_entry WHERE id = :id", id=entry_id)
    return [(number, entry_id)]


def delete_row_and_link(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    number = pick.choice(chain.numbers[:-1])
    entry_id = chain.entry_of(number)
    chain.run("DELETE FROM audit_link WHERE number = :n", n=number)
    chain.run("DELETE FROM audit_entry WHERE id = :id", id=entry_id)
    return [(number, None)]


def delete_and_renumber(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    number = pick.choice(chain.numbers[:-1])
    delete_entry_id = chain.entry_of(number)
    chain.run("DELETE FROM audit_link WHERE number = :n", n=number)
    chain.run("DELETE FROM audit_entry WHERE id = :id", id=delete_entry_id)
    chain.run("UPDATE audit_link SET number = number - 1 WHERE number > :n", n=number)
    return [(number, None)]


def delete_link(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    number = pick.choice(chain.numbers[:-1])
    entry_id = chain.entry_of(number)
    chain.run("DELETE FROM audit_link WHERE number = :n", n=number)
    return [(number, None), (None, entry_id)]


COPY = (
    "INSERT INTO audit_entry SELECT (jsonb_populate_record(e, jsonb_build_object('id',"
    " (SELECT max(id) + 1 FROM audit_entry), 'reason', 'forged'))).* FROM audit_entry e"
    " WHERE id = :id RETURNING id"
)


def insert_without_link(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    like = chain.entry_of(pick.choice(chain.numbers))
    return [(None, chain.run(COPY, id=like).scalar_one())]


def insert_with_invented_hash(
    chain: Chain, pick: random.Random
) -> list[tuple[int | None, int | None]]:
    new = chain.run(COPY, id=chain.entry_of(pick.choice(chain.numbers))).scalar_one()
    last = chain.numbers[-1]
    chain.run(
        "INSERT INTO audit_link SELECT :n + 1, :id, hash, :hash FROM audit_link WHERE number = :n",
        n=last,
        id=new,
        hash=f"{pick.getrandbits(256):064x}",
    )
    return [(last + 1, new)]


def rehash(chain: Chain, number: int, previous: str) -> None:
    """Recompute a link as the database would have written it."""
    chain.run(
        f"UPDATE audit_link l SET previous_hash = CAST(:previous AS text), hash ="
        f" {entry_hash('e', 'CAST(:previous AS text)', 'l.number')}"
        " FROM audit_entry e WHERE e.id = l.entry_id AND l.number = :n",
        n=number,
        previous=previous,
    )


def hash_of(chain: Chain, number: int) -> str:
    if number == 0:
        return GENESIS
    return str(chain.run("SELECT hash FROM audit_link WHERE number = :n", n=number).scalar_one())


def insert_in_between(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    number = pick.choice(chain.numbers[:-1])
    new = chain.run(COPY, id=chain.entry_of(number)).scalar_one()
    chain.run("UPDATE audit_link SET number = number + 1 WHERE number > :n", n=number)
    chain.run("INSERT INTO audit_link VALUES (:n, :id, '', '')", n=number + 1, id=new)
    rehash(chain, number + 1, hash_of(chain, number))
    return [(number + 1, new)]


def swap_contents(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    first, second = pick.sample(chain.numbers, 2)
    one, other = chain.entry_of(first), chain.entry_of(second)
    chain.run(
        "UPDATE audit_entry e SET reason = o.reason, after = o.after, before = o.before,"
        " object_id = o.object_id, recorded_at = o.recorded_at FROM audit_entry o"
        " WHERE (e.id, o.id) IN ((:a, :b), (:b, :a))",
        a=one,
        b=other,
    )
    return [(first, one), (second, other)]


def swap_numbers(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    first, second = pick.sample(chain.numbers, 2)
    chain.run(
        "UPDATE audit_link SET number = CAST(:a AS bigint) + :b - number WHERE number IN (:a, :b)",
        a=first,
        b=second,
    )
    return [(first, None), (second, None)]


def swap_entries_of_links(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    first, second = pick.sample(chain.numbers, 2)
    one, other = chain.entry_of(first), chain.entry_of(second)
    chain.run("UPDATE audit_link SET entry_id = :e WHERE number = :n", e=other, n=first)
    chain.run("UPDATE audit_link SET entry_id = :e WHERE number = :n", e=one, n=second)
    return [(first, None), (second, None)]


def reorder(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    """Four rows turn: the last becomes the first, three follow as one run."""
    start = pick.randrange(len(chain.numbers) - 5)
    part = chain.numbers[start : start + 4]
    mixed = part[1:] + part[:1]
    for old in part:
        chain.run("UPDATE audit_link SET number = -number WHERE number = :n", n=old)
    for old, new in zip(part, mixed, strict=True):
        chain.run("UPDATE audit_link SET number = :new WHERE number = -:old", new=new, old=old)
    return [(part[0], None), (part[1], None)]


def cut_tail(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    number = pick.choice(chain.numbers[-30:])
    chain.run(
        "WITH gone AS (DELETE FROM audit_link WHERE number >= :n RETURNING entry_id)"
        " DELETE FROM audit_entry WHERE id IN (SELECT entry_id FROM gone)",
        n=number,
    )
    return [(number, None)]


def change_hash(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    number = pick.choice(chain.numbers)
    column = pick.choice(["hash", "previous_hash"])
    chain.run(
        f"UPDATE audit_link SET {column} = :hash WHERE number = :n",
        hash=f"{pick.getrandbits(256):064x}",
        n=number,
    )
    return [(number, None)]


def change_and_rehash(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    number = pick.choice(chain.numbers[:-1])
    entry_id = chain.entry_of(number)
    chain.run("UPDATE audit_entry SET reason = reason || '!' WHERE id = :id", id=entry_id)
    rehash(chain, number, hash_of(chain, number - 1))
    return [(number, entry_id)]


def forge_previous_and_rehash(
    chain: Chain, pick: random.Random
) -> list[tuple[int | None, int | None]]:
    number = pick.choice(chain.numbers[:-1])
    rehash(chain, number, f"{pick.getrandbits(256):064x}")
    return [(number, chain.entry_of(number))]


def rewrite_from_here_on(chain: Chain, pick: random.Random) -> list[tuple[int | None, int | None]]:
    """Every hash recomputed: the chain agrees with itself, the anchors do not."""
    number = pick.choice(chain.numbers)
    entry_id = chain.entry_of(number)
    chain.run("UPDATE audit_entry SET reason = reason || '!' WHERE id = :id", id=entry_id)
    for later in range(number, chain.numbers[-1] + 1):
        rehash(chain, later, hash_of(chain, later - 1))
    return []


MUTATIONS: dict[Callable[..., list[tuple[int | None, int | None]]], int] = {
    change_column: 60,
    change_id: 8,
    delete_entry: 14,
    delete_row_and_link: 14,
    delete_and_renumber: 14,
    delete_link: 12,
    insert_without_link: 14,
    insert_with_invented_hash: 10,
    insert_in_between: 14,
    swap_contents: 12,
    swap_numbers: 12,
    swap_entries_of_links: 10,
    reorder: 10,
    cut_tail: 14,
    change_hash: 14,
    change_and_rehash: 14,
    forge_previous_and_rehash: 8,
    rewrite_from_here_on: 10,
}


def test_untouched_chain_holds(chain: Chain) -> None:
    verdict = verify(read_anchors(chain.file, KEYS), batch=17)
    assert verdict.findings == []
    assert verdict.holds
    assert (verdict.links, verdict.last_number) == (len(chain.numbers), chain.numbers[-1])
    assert (verdict.anchored_to, verdict.first_unanchored_entry) == (chain.numbers[-1], None)


def test_each_of_264_mutations_is_found_at_its_row(chain: Chain) -> None:
    pick = random.Random(20221125)
    missed: list[Any] = []
    tried = 0
    for mutate, times in MUTATIONS.items():
        for _time in range(times):
            tried += 1
            expected = mutate(chain, pick)
            chain.connection.commit()
            findings = found_in(chain)
            if mutate is rewrite_from_here_on:
                found = [f for f in findings if f.damage is Damage.OTHER_HEAD]
            else:
                found = findings
            moved = [f.count for f in findings if f.damage is not Damage.OTHER_HEAD]
            is_whole = mutate is not reorder or sorted(moved) == [1, 3]
            if not found or not is_whole or not all(names_row(findings, *r) for r in expected):
                missed.append((mutate.__name__, expected, findings))
            restore(chain)
    assert tried == 264
    assert missed == []
    assert found_in(chain) == []
