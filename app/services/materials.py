"""申报材料: files kept by content hash in the object store, checked by what they are and not by
what they are called.
"""

from __future__ import annotations

import hashlib
import re
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import IO, Any, Final

import filetype
import obstore
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app.domain.errors import ConflictError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import TitleLevel
from app.extensions import db
from app.models import Application, ApplicationVersion, Material, MaterialRequirement, StoredFile
from app.services.actors import Actor
from app.services.editing import require_editable
from app.services.form_definition import MATERIALS, Field, FormDefinition, Label, Section, read_form
from app.services.object_store import object_store
from app.services.settings import parameter
from app.services.transitions import lock_application

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "pdf": "application/pdf",
    "jpg": "image/jpeg",
    "png": "image/png",
}
_SAME: Final = {"jpeg": "jpg", "jpe": "jpg"}
_NAME_LENGTH: Final = 200
_CHUNK: Final = 64 * 1024
PHOTO_TYPES: Final = ("jpg", "png")


class FileRefusedError(RuleViolation):
    """A file is not taken: too large, of another kind than its name or the list says, or
    damaged.
    """

    code = "file_refused"
    template = N_("This file cannot be taken. Choose another one.")


@dataclass(frozen=True)
class Proof:
    """A stored file that proves what somebody enters, with the name it was uploaded under."""

    file: StoredFile
    name: str


# --------------------------------------------------------------------------- the store


def _path_of(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def store_file(
    data: bytes | IO[bytes],
    filename: str,
    *,
    allowed_types: Iterable[str],
    max_bytes: int,
    now: datetime,
) -> StoredFile:
    """Keep a file and return its row; the same content is kept once.

    `allowed_types` are endings without a dot (pdf, jpg, png). Raises FileRefusedError in words.
    """
    content = _read_limited(data, max_bytes)
    kind = check_content(content, filename, allowed_types)
    sha256 = hashlib.sha256(content).hexdigest()
    known = db.session.get(StoredFile, sha256)
    if known is not None:
        return known
    obstore.put(object_store(), _path_of(sha256), content)
    db.session.execute(
        insert(StoredFile)
        .values(sha256=sha256, byte_count=len(content), media_type=MEDIA_TYPES[kind])
        .on_conflict_do_nothing()
    )
    return db.session.get_one(StoredFile, sha256)


def find_stored(sha256: str) -> StoredFile | None:
    """The row of a stored file."""
    return db.session.get(StoredFile, sha256)


def open_file(sha256: str) -> bytes:
    """The bytes of a stored file; FileNotFoundError when the object store has lost them."""
    return bytes(obstore.get(object_store(), _path_of(sha256)).bytes())


def _read_limited(data: bytes | IO[bytes], max_bytes: int) -> bytes:
    content = data if isinstance(data, bytes) else _read_stream(data, max_bytes)
    if len(content) > max_bytes:
        raise FileRefusedError(
            N_("The file is larger than %(limit)s MB. Scan it in grey or at 200 dpi, or split it."),
            limit=_megabytes(max_bytes),
        )
    if not content:
        raise FileRefusedError(N_("The file is empty. Choose the right one."))
    return content


def _read_stream(stream: IO[bytes], max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size <= max_bytes and (part := stream.read(_CHUNK)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _megabytes(count: int) -> str:
    return f"{count / 1048576:.1f}".removesuffix(".0")


# --------------------------------------------------------------------------- what a file is


def check_content(content: bytes, filename: str, allowed_types: Iterable[str]) -> str:
    """Return the kind a file really is (pdf, jpg, png); FileRefusedError when that is not
    acceptable.
    """
    allowed = [
        _SAME.get(kind, kind) for kind in allowed_types if _SAME.get(kind, kind) in MEDIA_TYPES
    ]
    shown = ", ".join(allowed)
    guessed = filetype.guess_extension(content[:8192])
    kind = _SAME.get(guessed or "", guessed or "")
    if kind not in allowed:
        raise FileRefusedError(
            N_("By its content this is no file of the kinds %(kinds)s. Choose one of these."),
            kinds=shown,
        )
    ending = PurePosixPath(filename).suffix.lower().removeprefix(".")
    if _SAME.get(ending, ending) != kind:
        raise FileRefusedError(
            N_("The name ends in .%(ending)s, but the content is %(kind)s. Save it as %(kind)s."),
            ending=ending or "-",
            kind=kind,
        )
    if not _IS_WHOLE[kind](content):
        raise FileRefusedError(
            N_("The file is damaged or cut off. Open it, save it again and upload the new one.")
        )
    return kind


def _is_whole_pdf(content: bytes) -> bool:
    tail = content[-2048:]
    found = re.search(rb"startxref\s+(\d+)\s+%%EOF\s*\x00*\s*$", tail)
    if not content.startswith(b"%PDF-") or found is None:
        return False
    start = int(found[1])
    table = content[start : start + 64].lstrip()
    return table.startswith(b"xref") or bool(re.match(rb"\d+\s+\d+\s+obj", table))


def _is_whole_png(content: bytes) -> bool:
    place, names = 8, []
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        body = content[place + 4 : place + 8 + length]
        end = place + 12 + length
        if len(body) != length + 4 or end > len(content):
            return False
        if struct.unpack(">I", content[end - 4 : end])[0] != zlib.crc32(body):
            return False
        names.append(body[:4])
        if names[-1] == b"IEND":
            return names[0] == b"IHDR" and b"IDAT" in names
        place = end
    return False


def _is_whole_jpg(content: bytes) -> bool:
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker == 0xDA:
            return b"\xff\xd9" in content[place:]
        place += 2 + struct.unpack(">H", content[place + 2 : place + 4])[0]
    return False


_IS_WHOLE: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "pdf": _is_whole_pdf,
    "png": _is_whole_png,
    "jpg": _is_whole_jpg,
}


def clean_filename(name: str) -> str:
    """The last part of a file name, without control characters, at most 200 characters with its
    ending.
    """
    last = re.split(r"[\\/]", unicodedata.normalize("NFC", name or ""))[-1]
    kept = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip() or "file"
    stem, dot, ending = kept.rpartition(".")
    room = _NAME_LENGTH - len(ending) - 1
    return f"{stem[:room]}{dot}{ending}" if dot and room > 0 else kept[:_NAME_LENGTH]


# ------------------------------------------------------------ what may be uploaded where


@dataclass(frozen=True)
class FileSlot:
    """A place for files of one application: a requirement of the committee, or a file field of the
    form.
    """

    code: str
    section: str
    label: Label
    note: Label
    is_required: bool
    max_files: int
    max_bytes: int
    types: tuple[str, ...]
    row_id: str = ""
    path: str = ""

    @property
    def accept(self) -> str:
        """The endings as a browser wants them."""
        endings = [".jpg,.jpeg" if kind == "jpg" else f".{kind}" for kind in self.types]
        return ",".join(endings)

    @property
    def megabytes(self) -> str:
        """The size limit in MB."""
        return _megabytes(self.max_bytes)


def requirement_slots(application: Application) -> list[FileSlot]:
    """The material list of the chosen committee (notice 四(一))."""
    rows = db.session.scalars(
        select(MaterialRequirement)
        .where(MaterialRequirement.committee_id == application.committee_id)
        .order_by(MaterialRequirement.position, MaterialRequirement.id)
    )
    return [
        FileSlot(
            code=row.code,
            section=MATERIALS,
            label=Label(row.name),
            note=Label(row.note),
            is_required=row.is_required,
            max_files=row.max_files,
            max_bytes=row.max_bytes,
            types=tuple(row.file_types),
            path=row.code,
        )
        for row in rows
    ]


def field_slot(
    section: Section, field: Field, *, row_id: str = "", owner: str = "", place: int = 0
) -> FileSlot:
    """The place for the files of a file field, or of a file column in one row of the field
    `owner`.
    """
    in_row = bool(row_id)
    code = f"{section.key}.{row_id}.{field.name}" if in_row else f"{section.key}.{field.name}"
    is_photo = field.name == "photo"
    return FileSlot(
        code=code,
        section=section.key,
        label=field.label,
        note=field.help,
        is_required=field.is_required,
        max_files=10 if field.is_multiple else 1,
        max_bytes=int(parameter("file_max_bytes")),
        types=PHOTO_TYPES if is_photo else tuple(parameter("file_types")),
        row_id=row_id,
        path=f"{owner}.{place}.{field.name}" if in_row else field.name,
    )


def section_slots(section: Section, values: Mapping[str, Any]) -> list[FileSlot]:
    """The file places of a section as it is filled in: its file fields, and one for each row and
    file column.
    """
    slots: list[FileSlot] = []
    for field in section.typed_fields():
        if field.is_file:
            slots.append(field_slot(section, field))
        for place, row in enumerate(values.get(field.name) or []) if field.kind == "rows" else ():
            slots += [
                field_slot(section, column, row_id=row["row_id"], owner=field.name, place=place)
                for column in field.columns
                if column.is_file and row.get("row_id")
            ]
    return slots


def find_slot(application: Application, form: FormDefinition, code: str) -> FileSlot | None:
    """The file place of that code, if this application has one."""
    key = code.split(".")[0]
    section = form.section(key) if "." in code else None
    slots = (
        section_slots(section, application.content.get(key) or {})
        if section is not None
        else requirement_slots(application)
    )
    return next((slot for slot in slots if slot.code == code), None)


# ------------------------------------------------------------ uploading and taking away


def list_materials(application_id: int, *, version: int | None = None) -> list[Material]:
    """The files of an application as they stand, or as they stood in a version."""
    query = select(Material).where(Material.application_id == application_id)
    if version is None:
        query = query.where(Material.removed_in_version.is_(None))
    else:
        query = query.where(
            Material.added_in_version <= version,
            Material.removed_in_version.is_(None) | (Material.removed_in_version > version),
        )
    return list(db.session.scalars(query.order_by(Material.requirement_code, Material.id)))


def add_material(
    application_id: int,
    requirement_code: str,
    data: bytes | IO[bytes],
    filename: str,
    *,
    actor: Actor,
    now: datetime,
) -> Material:
    """Upload one file under a requirement or file field of the own draft or unlocked section.

    Raises FileRefusedError, RuleViolation when the place is full, and as `require_editable` does.
    """
    application = lock_application(application_id)
    form = read_form(application.form_version.definition)
    slot = find_slot(application, form, requirement_code)
    if slot is None:
        raise RuleViolation(
            N_(
                "The committee does not ask for this file. Reload the page and choose from its "
                "list."
            )
        )
    require_editable(application, slot.section, actor=actor, now=now)
    present = [m for m in list_materials(application_id) if m.requirement_code == slot.code]
    name = clean_filename(filename)
    file = store_file(data, name, allowed_types=slot.types, max_bytes=slot.max_bytes, now=now)
    same = next((m for m in present if m.file_sha256 == file.sha256), None)
    if same is not None:
        return same
    if len(present) >= slot.max_files:
        raise FileRefusedError(
            N_("At most %(limit)s files are possible here. Remove one first."), limit=slot.max_files
        )
    material = Material(
        application_id=application_id,
        requirement_code=slot.code,
        file_sha256=file.sha256,
        filename=name,
        added_in_version=next_version(application),
        uploaded_by_id=actor.account_id,
    )
    db.session.add(material)
    _mark_saved(application, slot.section, now)
    db.session.flush()
    return material


def remove_material(material_id: int, *, actor: Actor, now: datetime) -> Material:
    """Take a file out of the next version; what was submitted stays with the version it was in."""
    found = db.session.get(Material, material_id)
    if found is None or found.removed_in_version is not None:
        raise ConflictError(N_("This file is no longer there. Reload the page."))
    application = lock_application(found.application_id)
    form = read_form(application.form_version.definition)
    section = find_slot(application, form, found.requirement_code)
    require_editable(application, section.section if section else MATERIALS, actor=actor, now=now)
    found.removed_in_version = next_version(application)
    _mark_saved(application, section.section if section else MATERIALS, now)
    db.session.flush()
    return found


def drop_row_materials(
    application: Application, section: Section, values: Mapping[str, Any]
) -> None:
    """Take the files of rows that are no longer there out of the next version."""
    kept = {slot.code for slot in section_slots(section, values)}
    for material in list_materials(application.id):
        if material.requirement_code.startswith(f"{section.key}.") and (
            material.requirement_code not in kept
        ):
            material.removed_in_version = next_version(application)


def copy_materials(previous: Application, application: Application, *, actor: Actor) -> int:
    """Take over last year's files where the new form and committee still ask for them; how many."""
    form = read_form(application.form_version.definition)
    slots = {slot.code for slot in requirement_slots(application)}
    for section in form.pages:
        slots |= {
            s.code for s in section_slots(section, application.content.get(section.key) or {})
        }
    copied = [m for m in list_materials(previous.id) if m.requirement_code in slots]
    for material in copied:
        db.session.add(
            Material(
                application_id=application.id,
                requirement_code=material.requirement_code,
                file_sha256=material.file_sha256,
                filename=material.filename,
                uploaded_by_id=actor.account_id,
            )
        )
    db.session.flush()
    return len(copied)


def next_version(application: Application) -> int:
    """The number the next frozen version of an application will have."""
    last = db.session.scalar(
        select(func.max(ApplicationVersion.number)).where(
            ApplicationVersion.application_id == application.id
        )
    )
    return (last or 0) + 1


def needs_representative_works(application: Application) -> int:
    """How many representative works the committee asks this applicant for; 0 for none (R78)."""
    levels = {TitleLevel(int(level)) for level in parameter("representative_work_levels")}
    return application.committee.representative_works if application.level in levels else 0


def _mark_saved(application: Application, section: str, now: datetime) -> None:
    application.saved_at = now
    application.section_versions = {
        **application.section_versions,
        section: application.section_versions.get(section, 0),
    }
