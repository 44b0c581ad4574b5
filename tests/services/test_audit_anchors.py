"""Anchors of the audit log: what is written outside the database, when, and how damage shows."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text

from app import settling
from app.extensions import db, unit_of_work
from app.jobs import sweeping
from app.logs import mask
from app.models import AuditAnchor, JobRun
from app.services import audit, audit_chain
from app.services.actors import SYSTEM
from app.services.audit_anchors import (
    AnchorKeys,
    ChainShrankError,
    _for_the_log,
    anchor_head,
    read_anchors,
)
from app.services.audit_chain import Damage, Verdict
from tests.conftest import at, unprotect

NOW = at("2022-08-03T09:00:00")
ONE = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER = "YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODk="
KEYS = AnchorKeys(ONE)


def write() -> None:
    with unit_of_work():
        audit.record("change_unit", None, actor=SYSTEM, now=NOW)


def anchor(file: Path, minutes: float = 0, keys: AnchorKeys = KEYS) -> AuditAnchor | None:
    with unit_of_work():
        return anchor_head(file, keys, now=NOW + timedelta(minutes=minutes))


def anchored(file: Path, count: int = 4) -> list[str]:
    """A file of as many anchors as there are new entries."""
    for minute in range(count):
        write()
        anchor(file, minute)
    return file.read_text(encoding="ascii").splitlines()


def problems(file: Path, keys: AnchorKeys = KEYS) -> list[tuple[int, str]]:
    return [(line.line, line.problem) for line in read_anchors(file, keys) if line.problem]


def verdict(file: Path) -> Verdict:
    return audit_chain.verify(read_anchors(file, KEYS))


def test_anchor_is_the_head_signed_and_remembered(own_app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "below" / "heads.jsonl"
    with own_app.app_context():
        lines = anchored(file, 2)
        number, link_hash = audit_chain.head()
        last = json.loads(lines[-1])
        assert (last["number"], last["hash"]) == (number, link_hash)
        assert last["at"] == "2022-08-03T01:01:00.000000+00:00"
        assert [line.problem for line in read_anchors(file, KEYS)] == ["", ""]
        kept = db.session.scalars(select(AuditAnchor).order_by(AuditAnchor.id)).all()
        assert [row.number for row in kept] == [number - 1, number]
        assert [row.line_hash for row in kept] == [
            line.line_hash for line in read_anchors(file, KEYS)
        ]
        assert file.stat().st_mode & 0o137 == 0


def test_unmoved_head_is_written_again_after_an_hour(own_app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    with own_app.app_context():
        write()
        assert anchor(file) is not None
        assert anchor(file, 60 - 1 / 60) is None
        assert anchor(file, 60) is not None
        write()
        assert anchor(file, 60) is not None
        assert len(file.read_text(encoding="ascii").splitlines()) == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", 2),
        ("hash", "0" * 64),
        ("at", "2022-08-03T01:02:01.000000+00:00"),
        ("previous", "0" * 64),
        ("key", "0" * 16),
        ("signature", "A" * 86 + "=="),
        ("more", 1),
    ],
)
def test_changed_line_does_not_verify(
    own_app: Flask, tmp_path: Path, field: str, value: object
) -> None:
    file = tmp_path / "heads.jsonl"
    with own_app.app_context():
        lines = anchored(file)
        line = json.loads(lines[2]) | {field: value}
        lines[2] = json.dumps(line, sort_keys=True, separators=(",", ":"))
        file.write_text("\n".join(lines) + "\n", encoding="ascii")
        assert problems(file) == [(3, "signature"), (4, "order")]
        assert [(f.damage, f.line) for f in verdict(file).findings] == [
            (Damage.ANCHOR, 3),
            (Damage.ANCHOR, 4),
        ]


def test_line_taken_out_doubled_or_exchanged_shows(own_app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    with own_app.app_context():
        first, second, third, fourth = anchored(file)
        for lines, expected in (
            ([first, third, fourth], [(2, "order")]),
            ([second, third, fourth], [(1, "order")]),
            ([first, second, second, third, fourth], [(3, "order")]),
            ([first, third, second, fourth], [(2, "order"), (3, "order"), (4, "order")]),
            ([first, second, third, "{", fourth], [(4, "unreadable"), (5, "order")]),
            ([first, "[" * 3000, second], [(2, "unreadable"), (3, "order")]),
            ([" " + first, second], [(1, "signature"), (2, "order")]),
        ):
            file.write_text("\n".join(lines) + "\n", encoding="ascii")
            assert problems(file) == expected
            assert not verdict(file).holds


def test_file_cut_at_its_end_is_missed_by_the_database(own_app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    with own_app.app_context():
        lines = anchored(file)
        number, _hash = audit_chain.head()
        file.write_text("\n".join(lines[:2]) + "\n", encoding="ascii")
        found = verdict(file)
        assert problems(file) == []
        assert [(f.damage, f.number, f.to_number) for f in found.findings] == [
            (Damage.ANCHORS_CUT, number - 1, number)
        ]
        assert audit_chain.verify(iter(())).findings[0].damage is Damage.ANCHORS_CUT
        assert audit_chain.verify(None).holds


def test_another_key_verifies_nothing_and_an_older_key_still_does(
    own_app: Flask, tmp_path: Path
) -> None:
    file = tmp_path / "heads.jsonl"
    with own_app.app_context():
        anchored(file, 2)
        assert problems(file, AnchorKeys(OTHER)) == [(1, "signature"), (2, "signature")]
        both = AnchorKeys(f"{OTHER},{ONE}")
        write()
        anchor(file, 5, both)
        assert problems(file, both) == []
        assert json.loads(file.read_text(encoding="ascii").splitlines()[2])["key"] == both.current
        assert problems(file) == [(3, "signature")]


def test_torn_line_is_reported_and_the_next_stands_alone(own_app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    with own_app.app_context():
        lines = anchored(file, 2)
        file.write_text(lines[0] + "\n" + lines[1][:50], encoding="ascii")
        write()
        anchor(file, 5)
        assert problems(file) == [(2, "unreadable")]


def test_nothing_is_anchored_once_an_anchored_head_is_gone(own_app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    with own_app.app_context():
        lines = anchored(file)
        unprotect("audit_link", "audit_entry")
        last = {"number": audit_chain.head()[0]}
        db.session.execute(text("DELETE FROM audit_link WHERE number = :number"), last)
        db.session.commit()
        with pytest.raises(ChainShrankError):
            anchor(file, 9)
        assert file.read_text(encoding="ascii").splitlines() == lines
        own_app.config.update(AUDIT_ANCHOR_FILE=file, AUDIT_SIGNING_KEY=ONE)
        assert settling.run_everything()["audit_head"] == (1, 0)
        with pytest.raises(ChainShrankError):
            sweeping.anchor_audit()
        assert db.session.scalars(select(JobRun.error)).all() == ["ChainShrankError"]


def test_parallel_anchoring_keeps_the_lines_in_one_chain(own_app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    barrier = threading.Barrier(4)

    def work(name: int) -> None:
        with own_app.app_context():
            barrier.wait()
            for round_ in range(10):
                write()
                anchor(file, name + round_)
            db.session.remove()

    workers = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with own_app.app_context():
        assert problems(file) == []
        assert verdict(file).findings == []


def test_first_unanchored_row_is_named(own_app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    with own_app.app_context():
        anchored(file, 2)
        write()
        write()
        number, _hash = audit_chain.head()
        found = verdict(file)
        assert (found.holds, found.anchored_to, found.last_number) == (True, number - 2, number)
        assert found.first_unanchored_entry == db.session.scalar(
            text("SELECT entry_id FROM audit_link WHERE number = :n"), {"n": number - 1}
        )


def test_sweep_and_the_minutes_job_both_anchor(own_app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    own_app.config.update(AUDIT_ANCHOR_FILE=file, AUDIT_SIGNING_KEY=ONE)
    with own_app.app_context():
        write()
        assert settling.run_everything()["audit_head"] == (1, 1)
        assert sweeping.anchor_audit() == {"found": 0, "changed": 0}
        write()
        assert sweeping.anchor_audit() == {"found": 1, "changed": 1}
        assert len(list(read_anchors(file, KEYS))) == 2


def test_head_in_the_log_survives_the_masking_of_numbers(
    own_app: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with own_app.app_context(), caplog.at_level("INFO", "app.services.audit_anchors"):
        lines = anchored(tmp_path / "heads.jsonl", 2)
    logged = [record.getMessage().removeprefix("audit head ") for record in caplog.records]
    assert [mask(line).replace(":", "") for line in logged] == [
        line.replace(":", "") for line in lines
    ]
    digits = {"hash": "1" * 64, "previous": "13800138000" * 5 + "123456789", "number": 1}
    assert mask(_for_the_log(digits)) == _for_the_log(digits)


def test_file_that_cannot_be_written_stops_nothing_else(own_app: Flask, tmp_path: Path) -> None:
    own_app.config.update(AUDIT_ANCHOR_FILE=tmp_path, AUDIT_SIGNING_KEY=ONE)
    with own_app.app_context():
        write()
        assert settling.run_everything()["audit_head"] == (1, 0)


def test_number_that_goes_back_is_reported(tmp_path: Path) -> None:
    """A whole file of lines that are signed and follow each other, but forget a head between."""
    file = tmp_path / "heads.jsonl"
    previous = "0" * 64
    for number in (3, 5, 4):
        content: dict[str, object] = {
            "number": number,
            "hash": "f" * 64,
            "at": "2022-08-03T01:00:00.000000+00:00",
            "previous": previous,
            "key": KEYS.current,
        }
        content["signature"] = KEYS.sign(canonical(content))
        line = canonical(content)
        previous = hashlib.sha256(line).hexdigest()
        with file.open("ab") as lines:
            lines.write(line + b"\n")
    assert problems(file) == [(3, "number")]


def canonical(content: dict[str, object]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")


# --------------------------------------------------------------------------- commands


def test_verify_command_says_what_holds_and_what_does_not(own_app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    own_app.config.update(AUDIT_ANCHOR_FILE=file, AUDIT_SIGNING_KEY=ONE)
    runner = own_app.test_cli_runner()
    with own_app.app_context():
        for _count in range(4):
            write()
        number, link_hash = audit_chain.head()
    done = runner.invoke(args=["audit", "anchor"])
    assert (done.exit_code, done.output) == (0, f"{number} {link_hash} {file}\n")
    assert runner.invoke(args=["audit", "verify"]).exit_code == 0
    with own_app.app_context():
        write()
    done = runner.invoke(args=["audit", "verify", "--json"])
    said = json.loads(done.output)
    assert done.exit_code == 0
    assert (said["holds"], said["rows"], said["anchored_to"], said["problems"]) == (
        True,
        number + 1,
        number,
        0,
    )
    with own_app.app_context():
        unprotect("audit_entry")
        db.session.execute(
            text("UPDATE audit_entry SET reason = 'x' WHERE id = :id"),
            {"id": said["first_unanchored_entry"]},
        )
        db.session.commit()
    done = runner.invoke(args=["audit", "verify"])
    entry = said["first_unanchored_entry"]
    assert done.exit_code == 1
    first, rows, rest = done.output.splitlines()
    assert first == f"序号 {number + 1}（记录 {entry}）：记录或其链接被改动"
    assert rows.startswith(f"共 {number + 1} 行，发现 1 个问题")
    assert str(entry) in rest
    done = runner.invoke(args=["audit", "verify", "--json", "--anchors", str(file)])
    finding = json.loads(done.output)["findings"][0]
    assert (finding["damage"], finding["number"], finding["entry_id"]) == (
        "changed",
        number + 1,
        entry,
    )


def test_empty_log_and_unwritable_file_end_in_one_line(own_app: Flask, tmp_path: Path) -> None:
    runner = own_app.test_cli_runner()
    with own_app.app_context():
        write()
    own_app.config.update(AUDIT_ANCHOR_FILE=tmp_path, AUDIT_SIGNING_KEY=ONE)
    done = runner.invoke(args=["audit", "anchor"])
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert str(tmp_path) in done.output
    missing = tmp_path / "none.jsonl"
    assert runner.invoke(args=["audit", "verify", "--anchors", str(missing)]).exit_code == 2


def test_check_invariants_looks_at_the_chain(own_app: Flask, tmp_path: Path) -> None:
    own_app.config.update(AUDIT_ANCHOR_FILE=tmp_path / "heads.jsonl", AUDIT_SIGNING_KEY=ONE)
    runner = own_app.test_cli_runner()
    with own_app.app_context():
        write()
        assert runner.invoke(args=["check-invariants"]).exit_code == 0
        unprotect("audit_entry")
        db.session.execute(text("UPDATE audit_entry SET actor_name = 'somebody'"))
        db.session.commit()
        done = runner.invoke(args=["check-invariants"])
    assert done.exit_code == 1
    assert "audit_log_is_chained" in done.output
