"""Anchors: the signed head of the audit log, written where the database does not reach.

One line of JSON an anchor, only ever appended: number, hash, instant, the SHA-256 of the line
before, and an Ed25519 signature over all of it. Whoever rewrites the table cannot rewrite a file
that has been copied away; whoever takes a line out of the file breaks the chain of its lines.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text

from app.append_only import GENESIS
from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.extensions import db
from app.models import AuditAnchor

log = logging.getLogger(__name__)

HEARTBEAT = timedelta(hours=1)
"""A head that does not move is written again after this long, so that silence means a fault."""
PURPOSE = b"portal audit head 1\n"
"""What is signed begins with this, so that no other signature of the key passes as an anchor."""
LONGEST_LINE = 4096


class ChainShrankError(RuleViolation):
    """An anchored head is no longer in the database."""


@dataclass(frozen=True)
class AnchorLine:
    """A line of the anchor file as read; `problem` says why it does not verify."""

    line: int
    number: int = 0
    hash: str = ""
    at: datetime | None = None
    line_hash: str = ""
    is_signed: bool = False
    problem: str = ""


class AnchorKeys:
    """The keys of the anchors: the first one signs, each of them verifies."""

    def __init__(self, keys: str) -> None:
        """Read base64 keys of 32 bytes, separated by commas."""
        self._private = [
            Ed25519PrivateKey.from_private_bytes(base64.b64decode(part.strip(), validate=True))
            for part in keys.split(",")
        ]
        public = [key.public_key() for key in self._private]
        self.by_id: dict[str, Ed25519PublicKey] = {key_id(key): key for key in public}

    @property
    def current(self) -> str:
        """The id of the key that signs."""
        return next(iter(self.by_id))

    def sign(self, content: bytes) -> str:
        """The signature of an anchor's content, in base64."""
        return base64.b64encode(self._private[0].sign(PURPOSE + content)).decode("ascii")

    def verifies(self, key: str, signature: str, content: bytes) -> bool:
        """Whether one of the keys has signed this content."""
        public = self.by_id.get(key)
        if public is None:
            return False
        try:
            public.verify(base64.b64decode(signature, validate=True), PURPOSE + content)
        except (InvalidSignature, binascii.Error):
            return False
        return True


def key_id(key: Ed25519PublicKey) -> str:
    """A short name of a public key: the beginning of its SHA-256."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def anchor_head(
    path: Path, keys: AnchorKeys, *, now: datetime, heartbeat: timedelta = HEARTBEAT
) -> AuditAnchor | None:
    """Append the present head to the anchor file, wait for the disk, remember it in the database.

    `now` is the real instant. None where nothing is written yet, or the head has not moved since
    the last line and that line is younger than `heartbeat`. Raises
    ChainShrankError where the last anchored head is no longer in the database: an anchor then
    would only bless the damage. OSError where the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        previous, ends_whole = _last_line(descriptor)
        last = _parse(0, previous, keys)
        number, head_hash = _head_after(last)
        if number is None or not _is_due(last, number, now, heartbeat):
            return None
        content = {
            "number": number,
            "hash": head_hash,
            "at": now.astimezone(UTC).isoformat(timespec="microseconds"),
            "previous": _hash_line(previous) if previous else GENESIS,
            "key": keys.current,
        }
        signed = content | {"signature": keys.sign(_canonical(content))}
        line = _canonical(signed)
        written = (b"" if ends_whole else b"\n") + line + b"\n"
        os.write(descriptor, written)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        _flush_folder(path.parent)
    log.info("audit head %s", _for_the_log(signed))
    anchor = AuditAnchor(number=number, hash=head_hash, at=now, line_hash=_hash_line(line))
    db.session.add(anchor)
    return anchor


def read_anchors(path: Path, keys: AnchorKeys) -> Iterator[AnchorLine]:
    """Every line of an anchor file, verified on its own and against the line before."""
    expected = GENESIS
    last_number = 0
    with path.open("rb") as file:
        for count, raw in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=1):
            line = raw.rstrip(b"\n")
            found = _parse(count, line, keys)
            problem = found.problem
            if not problem and _previous(line) != expected:
                problem = "order"
            if not problem and found.number < last_number:
                problem = "number"
            expected = _hash_line(line)
            last_number = max(last_number, found.number)
            yield AnchorLine(
                count,
                found.number,
                found.hash,
                found.at,
                found.line_hash,
                found.is_signed,
                problem,
            )


def _head_after(last: AnchorLine) -> tuple[int | None, str]:
    """The head, if what was anchored last is still there."""
    if last.is_signed and last.number:
        kept = db.session.scalar(
            text("SELECT hash FROM audit_link WHERE number = :number"), {"number": last.number}
        )
        if kept != last.hash:
            raise ChainShrankError(
                N_(
                    "Number %(number)s of the audit log is not the one that was anchored: "
                    "have the log verified, and keep the anchor file."
                ),
                number=last.number,
            )
    row = db.session.execute(
        text("SELECT number, hash FROM audit_link ORDER BY number DESC LIMIT 1")
    ).first()
    return (row.number, row.hash) if row else (None, "")


def _is_due(last: AnchorLine, number: int, now: datetime, heartbeat: timedelta) -> bool:
    return last.at is None or last.number != number or now - last.at >= heartbeat


def _parse(count: int, line: bytes, keys: AnchorKeys) -> AnchorLine:
    """Read one line and check its signature."""
    try:
        signed = json.loads(line)
        signature = signed.pop("signature")
        number, link_hash = int(signed["number"]), str(signed["hash"])
        at = datetime.fromisoformat(signed["at"])
        content = _canonical(signed)
        is_exact = _canonical(signed | {"signature": signature}) == line
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return AnchorLine(count, line_hash=_hash_line(line), problem="unreadable")
    if not is_exact or not keys.verifies(str(signed.get("key")), str(signature), content):
        return AnchorLine(count, number, link_hash, None, _hash_line(line), problem="signature")
    return AnchorLine(count, number, link_hash, at, _hash_line(line), is_signed=True)


def _previous(line: bytes) -> str:
    return str(json.loads(line)["previous"])


def _canonical(content: dict[str, object]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")


def _for_the_log(signed: dict[str, object]) -> str:
    """The line once more; its hashes in groups, where no row of digits can be taken for a
    telephone or document number and be masked."""
    grouped = {
        name: ":".join(re.findall(".{8}", str(signed[name]))) for name in ("hash", "previous")
    }
    return _canonical(signed | grouped).decode("ascii")


def _hash_line(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _last_line(descriptor: int) -> tuple[bytes, bool]:
    """(the last line, whether it ends with a line break); empty and True for an empty file."""
    size = os.fstat(descriptor).st_size
    if size == 0:
        return b"", True
    tail = os.pread(descriptor, 2 * LONGEST_LINE, max(0, size - 2 * LONGEST_LINE))
    ends_whole = tail.endswith(b"\n")
    return tail.rstrip(b"\n").rpartition(b"\n")[2], ends_whole


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
