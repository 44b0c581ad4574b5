"""What an editor does to a screen, as values by path: move, add, set, retire, reset.

Each action reads a `Workpiece` and answers with an `Edit` for `store.change_draft`; it writes
nothing itself. Only what differs from the layer below becomes a value of the layer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pypinyin import lazy_pinyin

from app.domain.errors import RuleViolation
from app.domain.layers import (
    PLACE,
    STEP,
    Flat,
    flatten,
    items_of,
    merge,
    place_between,
)
from app.domain.messages import N_
from app.services.definitions import store
from app.services.definitions.lint_forms import NEEDED
from app.services.definitions.properties import (
    COLUMN_KINDS,
    FIELD_KIND_LABELS,
    FIELD_PROPERTIES,
    FORM,
    RECORD,
    SCREEN_PROPERTIES,
    WORDS,
    Property,
    Shape,
)
from app.services.definitions.versions import layers_below, newest_version
from app.services.form_definition import APPLICATION_FORM, MATERIALS, PLEDGE

PREFIX: Final = "x_"
LONGEST_NAME: Final = 60
LONGEST_CODE: Final = 40
MOST_OPTIONS: Final = 500
NAME: Final = re.compile(r"x_[a-z0-9_]{1,58}")
CODE: Final = re.compile(r"[^/#=\s]{1,40}")

UNKNOWN: Final = N_("This field is not on the screen any more. Choose one from the list.")
PROCESS_NEEDS: Final = N_("The process fills this in or needs it; it is always shown.")
FIXED_SECTIONS: Final = N_(
    "The parts of the application form and their order are fixed, and fields stay in their part."
)
OWN_CHOICES: Final = N_("The choices come from the portal's own records.")


@dataclass(frozen=True)
class Edit:
    """Values to set by path, and paths to set back to the layer below."""

    values: Mapping[str, Any] = field(default_factory=dict)
    reset: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.values or self.reset)


@dataclass(frozen=True)
class Workpiece:
    """A definition under the editor's hands: the layer below, its own changes, what is in force."""

    key: str
    below: Flat
    changes: Flat
    in_force: Flat
    version: int = 0

    @property
    def flat(self) -> dict[str, Any]:
        """Every value as the draft would make it."""
        return merge(self.below, self.changes)

    @property
    def kind(self) -> str:
        """The kind of screen."""
        return str(self.below.get("kind", ""))


def take_up(key: str, scope: str = "") -> Workpiece:
    """The definition with its draft, or with what is in force. Raises UnknownDefinitionError."""
    below = layers_below(key, scope)
    version, draft = newest_version(key, scope), store.draft_of(key, scope)
    published = version.changes if version else {}
    return Workpiece(
        key=key,
        below=below,
        changes=draft.changes if draft else published,
        in_force=flatten(version.definition) if version else {},
        version=draft.version if draft else 0,
    )


# --------------------------------------------------------------------------- looking


def item_of(path: str) -> str:
    """The innermost item a path lies in or is: a field, a section, or "" for the screen itself."""
    innermost = ""
    for each in items_of(f"{path}/{PLACE}"):
        if each.split("/")[-2] != "options":
            innermost = each
    return innermost


def exists(work: Workpiece, path: str) -> bool:
    """Whether a path is an item of the definition."""
    return f"{path}/{PLACE}" in work.flat


def require_item(work: Workpiece, path: str) -> None:
    """Refuse a path that is no field or section. Raises RuleViolation."""
    if item_of(path) != path or not path or not exists(work, path):
        raise RuleViolation(UNKNOWN)


def list_keys(flat: Flat, path: str) -> list[str]:
    """The keys of a list of items, in their order."""
    head, tail = f"{path}/", f"/{PLACE}"
    depth = path.count("/") + 2
    found = [
        (float(value), name[len(head) : -len(tail)])
        for name, value in flat.items()
        if name.startswith(head) and name.endswith(tail) and name.count("/") == depth
    ]
    return [key for _place, key in sorted(found)]


def is_section(path: str) -> bool:
    """Whether a path is a section's."""
    return path.count("/") == 1 and path.startswith("sections/")


def is_column(path: str) -> bool:
    """Whether a path is a column's of a field of rows."""
    return "/columns/" in path


def is_custom(work: Workpiece, path: str) -> bool:
    """Whether the province has added this item."""
    return f"{path}/{PLACE}" not in work.below


def is_published(work: Workpiece, path: str) -> bool:
    """Whether the item is in the version in force; then its name and kind stay."""
    return f"{path}/{PLACE}" in work.in_force


def properties_of(work: Workpiece, path: str) -> tuple[Property, ...]:
    """The properties an item of this screen has; for "" those of the screen itself."""
    if not path:
        return tuple(p for p in SCREEN_PROPERTIES if work.kind in p.screens)
    if is_section(path):
        return WORDS
    kind = work.flat.get(f"{path}/kind")
    return tuple(
        p
        for p in FIELD_PROPERTIES
        if work.kind in p.screens
        and (not p.kinds or kind in p.kinds)
        and not (is_column(path) and p.shape in {Shape.ROLES, Shape.CONDITION})
    )


def is_needed(work: Workpiece, path: str) -> bool:
    """Whether the process needs a field of the application form: it can be neither hidden nor made
    optional."""
    return work.key == APPLICATION_FORM and ".".join(path.split("/")[1::2]) in NEEDED


def why_fixed(work: Workpiece, path: str, name: str) -> str:
    """Why a property cannot be changed (a message id); empty when it can."""
    flat = work.flat
    if name == "is_required" and is_needed(work, path):
        return PROCESS_NEEDS
    if name in {"options", "dictionary"} and (
        flat.get(f"{path}/source") or flat.get(f"{path}/enumeration")
    ):
        return OWN_CHOICES
    if name == "dictionary" and not is_custom(work, path):
        return N_(
            "The dictionary of a built-in field stays; change its entries under Dictionaries."
        )
    return ""


def value_of(flat: Flat, path: str, each: Property) -> Any:
    """The value of a property in a flat definition, or what holds when nothing is said."""
    here = f"{path}/{each.name}" if path else each.name
    if each.shape is Shape.CONDITION:
        named = flat.get(f"{here}/field")
        return (named, tuple(flat.get(f"{here}/values") or ())) if named else None
    if each.shape is Shape.OPTIONS:
        return tuple(
            Choice(
                code,
                _option_name(flat, f"{here}/{code}"),
                is_retired=bool(flat.get(f"{here}/{code}/is_retired")),
            )
            for code in list_keys(flat, here)
        )
    found = flat.get(here)
    return each.unset if found is None else found


@dataclass(frozen=True)
class Choice:
    """One choice of a field."""

    code: str
    name: str
    is_retired: bool = False


def _option_name(flat: Flat, path: str) -> str:
    for name in ("label_zh", "name", "label"):
        if flat.get(f"{path}/{name}"):
            return str(flat[f"{path}/{name}"])
    return path.rpartition("/")[2]


def is_own(work: Workpiece, path: str, each: Property) -> bool:
    """Whether the province's layer says something about a property."""
    here = f"{path}/{each.name}" if path else each.name
    return any(name == here or name.startswith(f"{here}/") for name in work.changes)


# --------------------------------------------------------------------------- setting


def set_properties(work: Workpiece, path: str, typed: Mapping[str, Any]) -> Edit:
    """Set properties to what was typed; what equals the layer below is set back instead.

    Raises RuleViolation for a fixed property, an empty label, a choice without a name.
    """
    if path:
        require_item(work, path)
    known = {each.name: each for each in properties_of(work, path)}
    values: dict[str, Any] = {}
    reset: set[str] = set()
    for name, value in typed.items():
        each = known.get(name)
        if each is None or value == value_of(work.flat, path, each):
            continue
        if why := why_fixed(work, path, name):
            raise RuleViolation(why)
        edit = _set(work, path, each, value)
        values.update(edit.values)
        reset |= edit.reset
    return Edit(values, frozenset(reset))


def _set(work: Workpiece, path: str, each: Property, value: Any) -> Edit:
    here = f"{path}/{each.name}" if path else each.name
    if each.shape is Shape.OPTIONS:
        return set_options(work, path, value)
    if each.name in {"label", "label_zh"} and not value:
        raise RuleViolation(N_("Write a label; it cannot be empty."))
    if value == value_of(work.below, path, each):
        return Edit(reset=frozenset({here}))
    if each.shape is Shape.CONDITION:
        named, chosen = value or (None, None)
        parts = {"field": named, "values": list(chosen) if chosen else None}
        return Edit({f"{here}/{part}": given for part, given in parts.items()})
    if isinstance(value, tuple):
        value = list(value)
    if value in (None, "") and work.below.get(here) is None:
        return Edit(reset=frozenset({here}))
    return Edit({here: None if value == "" else value})


def set_texts(work: Workpiece, typed: Mapping[str, str]) -> Edit:
    """Set the texts of a sheet; an empty one, or one as the layer below has it, is set back.

    Raises RuleViolation for a path that is no text of the layer below.
    """
    values: dict[str, Any] = {}
    reset: set[str] = set()
    for path, value in typed.items():
        if path in {"key", "kind"} or not isinstance(work.below.get(path), str):
            raise RuleViolation(UNKNOWN)
        if value == str(work.flat.get(path) or ""):
            continue
        if not value or value == work.below[path]:
            reset.add(path)
        else:
            values[path] = value
    return Edit(values, frozenset(reset))


def set_options(work: Workpiece, path: str, choices: Iterable[Choice]) -> Edit:
    """Set the choices of a field in their new order. A choice that is left out is taken away if it
    was never published, otherwise offered no longer: rows carry its code."""
    here, flat = f"{path}/options", work.flat
    wanted = _with_codes(choices, list_keys(flat, here))
    values: dict[str, Any] = {}
    reset: set[str] = set()
    for place, choice in enumerate(wanted, start=1):
        item = f"{here}/{choice.code}"
        if flat.get(f"{item}/{PLACE}") != place * STEP:
            values[f"{item}/{PLACE}"] = place * STEP
        if _option_name(flat, item) != choice.name or not exists(work, item):
            values[f"{item}/label_zh"] = choice.name
            values.setdefault(f"{item}/label", flat.get(f"{item}/label") or choice.name)
        if flat.get(f"{item}/is_retired") and not choice.is_retired:
            values[f"{item}/is_retired"] = False
        elif choice.is_retired and not flat.get(f"{item}/is_retired"):
            values[f"{item}/is_retired"] = True
    kept = {choice.code for choice in wanted}
    for code in list_keys(flat, here):
        if code not in kept:
            item = f"{here}/{code}"
            if is_published(work, item) or not is_custom(work, item):
                values[f"{item}/is_retired"] = True
            else:
                reset.add(item)
    return Edit(values, frozenset(reset))


def _with_codes(choices: Iterable[Choice], known: Sequence[str]) -> list[Choice]:
    found = [*choices]
    if len(found) > MOST_OPTIONS:
        raise RuleViolation(
            N_("A field has at most %(limit)s choices. Use a dictionary for more."),
            limit=MOST_OPTIONS,
        )
    used = {*known, *(choice.code for choice in found if choice.code)}
    made: list[Choice] = []
    for choice in found:
        code = choice.code
        if code and not CODE.fullmatch(code):
            raise RuleViolation(
                N_(
                    "“%(code)s” is no code of a choice: at most 40 signs without spaces, /, # or =."
                ),
                code=code[:LONGEST_CODE],
            )
        if not choice.name.strip():
            raise RuleViolation(N_("Every choice needs its wording: code = wording, one a line."))
        if not code:
            code = next(free for n in range(1, 9999) if (free := str(n)) not in used)
            used.add(code)
        if code in {each.code for each in made}:
            raise RuleViolation(N_("The code %(code)s stands there twice."), code=code)
        made.append(Choice(code, choice.name.strip(), choice.is_retired))
    return made


def reset_properties(work: Workpiece, path: str, names: Collection[str] = ()) -> Edit:
    """Set properties of an item back to the layer below; without names all that is said of it.

    Raises RuleViolation for an item of the province: there is nothing below it.
    """
    if path:
        require_item(work, path)
        if is_custom(work, path):
            raise RuleViolation(
                N_("This is a field of the province: it has no default. Retire it instead.")
            )
    known = {each.name for each in properties_of(work, path)} | {PLACE, "is_hidden", "moved_to"}
    chosen = [name for name in names or known if name in known]
    return Edit(reset=frozenset(f"{path}/{name}" if path else name for name in chosen))


# --------------------------------------------------------------------------- moving


def move_item(work: Workpiece, path: str, before: str = "") -> Edit:
    """Put a field in front of a neighbour of its list (by key); without one at the end."""
    require_item(work, path)
    if is_section(path) and work.kind == FORM:
        raise RuleViolation(FIXED_SECTIONS)
    parent, _slash, key = path.rpartition("/")
    order = [each for each in list_keys(work.flat, parent) if each != key]
    if before and before not in order:
        raise RuleViolation(UNKNOWN)
    index = order.index(before) if before else len(order)
    places = [float(work.flat[f"{parent}/{each}/{PLACE}"]) for each in order]
    lower = places[index - 1] if index else None
    upper = places[index] if index < len(places) else None
    place = place_between(lower, upper)
    if (lower is None or lower < place) and (upper is None or place < upper):
        return Edit({f"{path}/{PLACE}": place})
    order.insert(index, key)
    return Edit({f"{parent}/{each}/{PLACE}": n * STEP for n, each in enumerate(order, start=1)})


def shift_item(work: Workpiece, path: str, by: int) -> Edit:
    """Move an item one place up (-1) or down (+1); at the end of the list nothing changes."""
    require_item(work, path)
    parent, _slash, key = path.rpartition("/")
    order = list_keys(work.flat, parent)
    target = order.index(key) + by
    if not 0 <= target < len(order):
        return Edit()
    behind = target + 1 if by > 0 else target
    return move_item(work, path, order[behind] if behind < len(order) else "")


def move_to_section(work: Workpiece, path: str, section: str) -> Edit:
    """Show a field of a record screen in another section; its home section sets it back."""
    require_item(work, path)
    if work.kind != RECORD:
        raise RuleViolation(FIXED_SECTIONS)
    parts = path.split("/")
    if not exists(work, f"sections/{section}") or is_column(path) or len(parts) != 4:
        raise RuleViolation(UNKNOWN)
    if section == parts[1]:
        return Edit(reset=frozenset({f"{path}/moved_to"}))
    return Edit({f"{path}/moved_to": section})


# --------------------------------------------------------------------------- adding, retiring


def add_field(work: Workpiece, parent: str, kind: str, label: str, name: str = "") -> Edit:
    """Add a field of the province at the end of a section, or a column at the end of a field of
    rows; its name is made from the label. Raises RuleViolation."""
    require_item(work, parent)
    is_rows = work.flat.get(f"{parent}/kind") == "rows"
    if not is_section(parent) and not is_rows:
        raise RuleViolation(UNKNOWN)
    if work.kind == FORM and parent.split("/")[1] in {PLEDGE, MATERIALS}:
        raise RuleViolation(N_("This part takes no fields. Choose another part."))
    if kind not in (COLUMN_KINDS if is_rows else FIELD_KIND_LABELS):
        raise RuleViolation(N_("Choose the kind of the new field."))
    label = _require_label(label)
    here = f"{parent}/{'columns' if is_rows else 'fields'}"
    path = f"{here}/{_free_name(work, here, name or make_name(label))}"
    keys = list_keys(work.flat, here)
    last = work.flat[f"{here}/{keys[-1]}/{PLACE}"] if keys else None
    values: dict[str, Any] = {
        f"{path}/{PLACE}": place_between(last, None),
        f"{path}/kind": kind,
        f"{path}/label": label,
        f"{path}/label_zh": label,
        f"{path}/is_custom": True,
    }
    if kind == "rows":
        first = f"{path}/columns/x_1"
        values |= {
            f"{first}/{PLACE}": STEP,
            f"{first}/kind": "text",
            f"{first}/label": label,
            f"{first}/label_zh": label,
            f"{first}/is_custom": True,
        }
    return Edit(values)


def new_item(edit: Edit) -> str:
    """The path of the item an edit adds, the outermost one."""
    return min((path for path in edit.values if path.endswith(f"/{PLACE}")), key=len)[:-2]


def _require_label(label: str) -> str:
    label = label.strip()
    if not label or len(label) > 200:
        raise RuleViolation(N_("Write a label of at most 200 characters."))
    return label


def make_name(label: str) -> str:
    """A field's name from its label: 楼层 → x_lou_ceng."""
    syllables = lazy_pinyin(label.lower(), errors=_keep_latin)
    name = "_".join(part for part in syllables if part.isascii()) or "field"
    return f"{PREFIX}{name}"[:LONGEST_NAME].rstrip("_")


def _keep_latin(other: str) -> str:
    return "_".join(re.findall("[0-9a-z]+", other))


def _free_name(work: Workpiece, here: str, name: str) -> str:
    if not NAME.fullmatch(name):
        raise RuleViolation(
            N_("A field's name begins with x_ and goes on with small letters, figures and _.")
        )
    used = {
        path.split("/")[-2]
        for path in work.flat
        if path.endswith(f"/{PLACE}") and (work.kind == RECORD or path.startswith(f"{here}/"))
    }
    if name not in used:
        return name
    room = name[: LONGEST_NAME - 4]
    return next(free for n in range(2, 9999) if (free := f"{room}_{n}") not in used)


def rename_field(work: Workpiece, path: str, name: str) -> Edit:
    """Give a field of the province another name, before its first publication. Raises
    RuleViolation."""
    require_item(work, path)
    parent, _slash, old = path.rpartition("/")
    if name == old:
        return Edit()
    if not is_custom(work, path) or is_published(work, path):
        raise RuleViolation(N_("The name of a published field stays: its data is kept under it."))
    if _free_name(work, parent, name) != name:
        raise RuleViolation(N_("Another field has this name. Choose another one."))
    moved = {
        f"{parent}/{name}{given[len(path) :]}": value
        for given, value in work.changes.items()
        if given.startswith(f"{path}/")
    }
    return Edit(moved, frozenset({path}))


def retire_field(work: Workpiece, path: str) -> Edit:
    """Take a field off the screen: one of the province is retired and keeps its data, one never
    published is taken out, one of the product is hidden. Raises RuleViolation for needed ones."""
    require_item(work, path)
    if is_section(path) or is_needed(work, path):
        raise RuleViolation(PROCESS_NEEDS)
    if not is_custom(work, path):
        return Edit({f"{path}/is_hidden": True})
    if not is_published(work, path):
        return Edit(reset=frozenset({path}))
    return Edit({f"{path}/is_retired": True})


def restore_field(work: Workpiece, path: str) -> Edit:
    """Show a field again that was retired or hidden."""
    require_item(work, path)
    return Edit(
        {
            f"{path}/{name}": False
            for name in ("is_retired", "is_hidden")
            if work.below.get(f"{path}/{name}")
        },
        frozenset(f"{path}/{name}" for name in ("is_retired", "is_hidden")),
    )
