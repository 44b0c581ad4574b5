"""The file of a configuration pack: a zip of sorted JSON, written in one way only, read with care.

The same configuration gives the same bytes in every member. What differs from export to export
(when, from which portal, which state it goes back to) stands in `origin` of the manifest alone; a
pack written without it is the same file, byte for byte.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

import config
from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.services.imports.packages import BROKEN
from app.services.packs.formats import FORMAT, migrate
from app.services.packs.kind import Document, Identity, Kind, canonical, digest
from app.services.packs.registry import KINDS, Content, ordered
from app.services.packs.scan import require_harmless

MOST_BYTES: Final = 8 * 1024 * 1024
MOST_UNPACKED: Final = 32 * 1024 * 1024
MOST_MEMBERS: Final = 100
PRODUCT: Final = "title-review-portal"
MANIFEST: Final = "manifest"
MEDIA_TYPE: Final = "application/zip"
_MEGABYTE: Final = 1024 * 1024
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3

Digests = Mapping[str, Mapping[str, str]]
"""SHA-256 of objects, by the name of their kind and their identity as JSON."""


class PackRefusedError(RuleViolation):
    """A file cannot be read as a configuration pack; nothing of it is taken over."""

    code = "pack_refused"


@dataclass(frozen=True)
class Origin:
    """Where a pack comes from; `base`: the state it was begun with, as its portal had imported it,
    None if it had never imported any."""

    when: str
    portal: str
    base: Digests | None


@dataclass(frozen=True)
class Pack:
    """A pack that has been read: its objects in the present format."""

    content: Content
    written_in: int
    version: str
    origin: Origin | None


@cache
def product_version() -> str:
    """The version of this release."""
    project = tomllib.loads((config.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def digests_of(content: Content) -> dict[str, dict[str, str]]:
    """SHA-256 of every object."""
    return {
        kind: {name_identity(identity): digest(document) for identity, document in objects.items()}
        for kind, objects in content.items()
    }


def name_identity(identity: Identity) -> str:
    """An identity as a key of JSON."""
    return canonical(list(identity)).decode()


# --------------------------------------------------------------------------- writing


def build_pack(content: Content, origin: Origin | None) -> bytes:
    """The file. Raises NotForPacksError with the place of personal data or a secret."""
    members = {}
    for kind in KINDS:
        objects = [dict(document) for document in content[kind.name].values()]
        require_harmless(f"{kind.name}.json", objects)
        members[kind.name] = _pretty({"objects": objects})
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "product": PRODUCT,
        "version": product_version(),
        "members": {name: _hash(data) for name, data in members.items()},
    }
    if origin is not None:
        manifest["origin"] = vars(origin)
    return write_zip({MANIFEST: _pretty(manifest), **members})


def _pretty(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    return f"{text}\n".encode()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_zip(members: Mapping[str, bytes]) -> bytes:
    """A zip without any trace of when and where it was made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, data in members.items():
            info = zipfile.ZipInfo(f"{name}.json", _EPOCH)
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, _UNIX
            info.external_attr = 0o644 << 16
            file.writestr(info, data)
    return buffer.getvalue()


# --------------------------------------------------------------------------- reading


def open_pack(data: bytes) -> Pack:
    """Read a pack of this or an earlier format; every fault is named with its file and entry.

    Raises PackRefusedError, NotForPacksError.
    """
    raw = _unpack(data)
    manifest = _read_manifest(raw)
    files = _read_members(raw, manifest["members"])
    written_in = manifest["format"]
    try:
        files = migrate(files, written_in)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise PackRefusedError(
            N_(
                "The pack says it is of format %(format)s, but its entries are not. Export it "
                "again from the portal it comes from."
            ),
            format=written_in,
        ) from error
    origin = manifest.get("origin")
    return Pack(
        content={kind.name: _read_kind(kind, files[kind.name]) for kind in _present(files)},
        written_in=written_in,
        version=manifest["version"],
        origin=Origin(**origin) if origin else None,
    )


def _unpack(data: bytes) -> dict[str, bytes]:
    if len(data) > MOST_BYTES:
        raise PackRefusedError(
            N_("The file is larger than %(limit)s MB; no configuration pack is. Choose another."),
            limit=MOST_BYTES // _MEGABYTE,
        )
    try:
        file = zipfile.ZipFile(io.BytesIO(data))
        infos = file.infolist()
    except BROKEN as error:
        raise _foreign() from error
    names = [info.filename for info in infos]
    if f"{MANIFEST}.json" not in names:
        raise _foreign()
    if len(names) != len(set(names)) or any(info.flag_bits & 1 for info in infos):
        raise _damaged()
    if len(infos) > MOST_MEMBERS or sum(info.file_size for info in infos) > MOST_UNPACKED:
        raise PackRefusedError(
            N_("The file unpacks into far more than a configuration. It is not taken over.")
        )
    return {info.filename.removesuffix(".json"): _unpack_one(file, info) for info in infos}


def _unpack_one(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with file.open(info) as stream:
            data = stream.read(info.file_size + 1)
    except BROKEN as error:
        raise _damaged() from error
    if len(data) != info.file_size:
        raise _damaged()
    return data


def _foreign() -> PackRefusedError:
    return PackRefusedError(
        N_(
            "This is no configuration pack of this system. Choose the file that “Export the "
            "configuration” has made."
        )
    )


def _damaged() -> PackRefusedError:
    return PackRefusedError(
        N_("The pack is damaged. Export it again from the portal it comes from.")
    )


_MANIFEST_SCHEMA: Final = {
    "type": "object",
    "required": ["format", "product", "version", "members"],
    "additionalProperties": False,
    "properties": {
        "format": {"type": "integer", "minimum": 1, "maximum": 10_000},
        "product": {"const": PRODUCT},
        "version": {"type": "string", "maxLength": 40},
        "members": {"type": "object", "additionalProperties": {"type": "string"}},
        "origin": {
            "type": "object",
            "required": ["when", "portal", "base"],
            "additionalProperties": False,
            "properties": {
                "when": {"type": "string", "maxLength": 40},
                "portal": {"type": "string", "maxLength": 200},
                "base": {
                    "type": ["object", "null"],
                    "additionalProperties": {
                        "type": "object",
                        "additionalProperties": {"type": "string", "maxLength": 64},
                    },
                },
            },
        },
    },
}


def _read_manifest(raw: Mapping[str, bytes]) -> dict[str, Any]:
    manifest = _read_json(MANIFEST, raw[MANIFEST])
    if not isinstance(manifest, dict) or manifest.get("product") != PRODUCT:
        raise _foreign()
    found = manifest.get("format")
    if isinstance(found, int) and not isinstance(found, bool) and found > FORMAT:
        raise PackRefusedError(
            N_(
                "The pack comes from a newer release (format %(format)s; this portal reads up to "
                "%(known)s). Upgrade this portal first, then import it again."
            ),
            format=found,
            known=FORMAT,
        )
    _require_shape(MANIFEST, manifest, _MANIFEST_SCHEMA)
    require_harmless(f"{MANIFEST}.json", [{"origin": _named(manifest.get("origin"))}])
    return manifest


def _named(origin: Any) -> Any:
    """What of the origin people wrote; the base is made of checksums."""
    return {name: origin[name] for name in ("when", "portal")} if origin else None


def _read_members(raw: Mapping[str, bytes], hashes: Mapping[str, str]) -> dict[str, Any]:
    if {*raw} - {MANIFEST} != {*hashes}:
        raise PackRefusedError(
            N_("The pack does not hold the files its manifest names. Export it again.")
        )
    for name in sorted(hashes):
        if _hash(raw[name]) != hashes[name]:
            raise PackRefusedError(
                N_(
                    "%(file)s was changed after the export: its checksum differs. Export the pack "
                    "again instead of editing it."
                ),
                file=f"{name}.json"[:80],
            )
    return {name: _read_json(name, raw[name]) for name in sorted(hashes)}


def _read_json(name: str, data: bytes) -> Any:
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_no_twins,
            parse_constant=_no_number,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        raise PackRefusedError(
            N_("%(file)s, line %(line)s: this is no JSON. Export the pack again."),
            file=f"{name}.json"[:80],
            line=error.lineno,
        ) from error
    except (ValueError, RecursionError) as error:
        raise PackRefusedError(
            N_("%(file)s cannot be read. Export the pack again."), file=f"{name}.json"[:80]
        ) from error


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _present(files: Mapping[str, Any]) -> Iterable[Kind]:
    known = {kind.name for kind in KINDS}
    for name in sorted(files):
        if name not in known:
            raise PackRefusedError(
                N_(
                    "The pack holds %(file)s, which this release does not know. Upgrade this "
                    "portal first, then import it again."
                ),
                file=f"{name}.json"[:80],
            )
    return [kind for kind in KINDS if kind.name in files]


def _read_kind(kind: Kind, data: Any) -> dict[Identity, Document]:
    _require_shape(kind.name, data, kind.schema())
    objects = data["objects"]
    require_harmless(f"{kind.name}.json", objects)
    found = ordered(kind, objects)
    if len(found) != len(objects):
        seen: set[Identity] = set()
        for row, document in enumerate(objects, start=1):
            if kind.identity(document) in seen:
                raise PackRefusedError(
                    N_("%(file)s, entry %(row)s: this stands twice. Export the pack again."),
                    file=f"{kind.name}.json",
                    row=row,
                )
            seen.add(kind.identity(document))
    return found


_Validator: Final = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _checker, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def _require_shape(name: str, data: Any, schema: Mapping[str, Any]) -> None:
    error = next(iter(_Validator(schema).iter_errors(data)), None)
    if error is None:
        return
    path = [*error.absolute_path]
    row = path[1] + 1 if len(path) > 1 and isinstance(path[1], int) else 0
    place = "/".join(str(part) for part in path[2 if row else 0 :])
    raise PackRefusedError(
        _wording(error),
        file=f"{name}.json",
        row=row or "-",
        place=ascii(place or _names(error))[1:-1][:120],
    )


def _names(error: ValidationError) -> str:
    if error.validator == "required":
        return ", ".join(each for each in error.validator_value if each not in error.instance)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        return ", ".join(str(each) for each in error.instance if each not in known)
    return "objects"


def _wording(error: ValidationError) -> str:
    if error.validator == "required":
        return N_("%(file)s, entry %(row)s: %(place)s is missing. Export the pack again.")
    if error.validator == "additionalProperties":
        return N_("%(file)s, entry %(row)s: %(place)s is unknown here. Export the pack again.")
    return N_("%(file)s, entry %(row)s, %(place)s: this value is not allowed here. Correct it.")


def origin_of(when: datetime, portal: str, base: Digests | None) -> Origin:
    """Where a pack made now comes from."""
    return Origin(when.isoformat(timespec="seconds"), portal, base)
