"""Write the generated pages of docs/ from the code (``make docs``).

The pages are committed, so that they can be read without the code; a test compares them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from app.domain.workflow import (
    ACTION_LABELS,
    GUARD_MEANINGS,
    STATE_LABELS,
    TRANSITIONS,
    ActorRole,
    State,
    Target,
    Transition,
    draw_state_diagram,
)

FOLDER = Path(__file__).resolve().parent


def code(text: str) -> str:
    """Return `text` as inline code."""
    return f"`{text}`"


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    names = list(columns)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def show_target(target: Target) -> str:
    """Return where a transition leads, and under which guard."""
    state = code(target.state.value) if target.state else "the state before the lapse"
    return f"{state} if {code(target.guard.value)}" if target.guard else state


def show_transition(row: Transition) -> list[str]:
    """Return the cells of one transition."""
    return [
        str(row.row) if row.row else "note",
        code(row.source.value) if row.source else "–",
        code(row.action.value),
        ", ".join(role.value for role in ActorRole if role in row.by),
        ", ".join(code(guard.value) for guard in row.when) or "–",
        "; ".join(show_target(target) for target in row.targets),
        row.deadline.value if row.deadline else "–",
        "yes" if row.needs_reason else "",
    ]


def transitions_page() -> str:
    """Return the state diagram and the table of transitions."""
    rows = sorted(TRANSITIONS, key=lambda row: (row.row or len(TRANSITIONS), row.action))
    states = ((code(state.value), STATE_LABELS[state]) for state in State)
    actions = ((code(action.value), text) for action, text in ACTION_LABELS.items())
    guards = ((code(guard.value), text) for guard, text in GUARD_MEANINGS.items())
    return "\n".join(
        (
            "# 状态流转 · Transitions of an application",
            "",
            "Written by `make docs` from `app/domain/workflow.py`; do not edit. Rows are those of",
            "[rules.md](rules.md) 3.2 (`note`: its notes and 3.4); Chinese names are in",
            "[glossary.md](glossary.md) 8.",
            "",
            "Left out of the picture because they start almost everywhere: `disqualify`,",
            "`withdraw`, `reinstate`.",
            "",
            "```mermaid",
            draw_state_diagram().rstrip(),
            "```",
            "",
            f"## The table ({len(TRANSITIONS)} transitions)",
            "",
            table(
                ("row", "from", "action", "who", "only if", "to", "clock", "reason"),
                map(show_transition, rows),
            ),
            "## States",
            "",
            table(("state", "shown as"), states),
            "## Actions",
            "",
            table(("action", "shown as"), actions),
            "## Guards",
            "",
            table(("guard", "holds when"), guards),
        )
    )


def screens() -> Iterable[type]:
    """Yield every view that grants something to a role, in the order of the menu."""
    from app.views import MODULES  # noqa: PLC0415 -- loads Flask-AppBuilder, the rest need not

    seen: set[type] = set()
    for name in MODULES:
        module = importlib.import_module(f"app.views.{name}")
        for view in vars(module).values():
            if not isinstance(view, type) or view in seen or view.__name__.startswith("_"):
                continue
            if getattr(view, "grants", None):
                seen.add(view)
                yield view


def show_grants(granted: frozenset[str] | None) -> str:
    """Return what a role may do on a screen."""
    if not granted:
        return ""
    if "*" in granted:
        return "all"
    return ", ".join(sorted(name.removeprefix("can_").replace("_", " ") for name in granted))


REACH_IN_CHINESE = {
    "all": "全部",
    "subtree": "本单位及下级",
    "own_unit": "本单位",
    "own": "本人",
    "assigned": "指定",
}


def show_roles(roles: Iterable[ActorRole]) -> str:
    """Return the names of roles, in their order."""
    held = set(roles)
    if len(held) == len(ActorRole):
        return "every role"
    return ", ".join(role.value for role in ActorRole if role in held)


def show_fields(fields: Any) -> str:
    """Return which fields a grant names."""
    if not fields.names:
        return "all" if fields.is_exception else "the key"
    names = ", ".join(code(name) for name in sorted(fields.names))
    return f"all but {names}" if fields.is_exception else names


def show_actions(actions: frozenset[str]) -> str:
    """Return what may be done under a grant."""
    from app.security.guard import READING, WRITING, Action  # noqa: PLC0415 -- loads the tables

    for name, known in (("read", READING), ("write", WRITING)):
        if actions == known:
            return name
    return ", ".join(action.value for action in Action if action in actions)


def grant_rows() -> Iterable[tuple[str, ...]]:
    """Yield the grants of every table; equal ones of several roles in one row."""
    from app.security import rules  # noqa: F401, PLC0415 -- fills the table
    from app.security.guard import GRANTS  # noqa: PLC0415 -- loads the tables

    for model in sorted(GRANTS, key=lambda model: model.__name__):
        merged: dict[tuple[str, ...], list[ActorRole]] = {}
        for grant in GRANTS[model]:
            note = f" ({grant.scope.note})" if grant.scope.note else ""
            by_test = "" if grant.scope.criterion or grant.scope.reach.value == "all" else " (rule)"
            key = (
                show_actions(grant.actions),
                REACH_IN_CHINESE[grant.scope.reach.value] + (note or by_test),
                show_fields(grant.fields),
            )
            merged.setdefault(key, []).append(grant.role)
        for (actions, rows, fields), roles in merged.items():
            yield code(model.__name__), show_roles(roles), actions, rows, fields


def never_rows() -> Iterable[tuple[str, str]]:
    """Yield the fields that are shown to nobody."""
    from app.security.guard import NEVER  # noqa: PLC0415 -- loads the tables

    for model in sorted(NEVER, key=lambda model: model.__name__):
        yield code(model.__name__), ", ".join(code(name) for name in sorted(NEVER[model]))


def permissions_page() -> str:
    """Return which role opens which screen, and which rows and fields it reads and writes."""
    by_screen = []
    for view in sorted(screens(), key=lambda view: view.__name__):
        grants: Mapping[ActorRole, frozenset[str]] = view.grants  # type: ignore[attr-defined]
        cells = "; ".join(
            f"**{role.value}**: {show_grants(grants[role])}" for role in ActorRole if role in grants
        )
        by_screen.append((code(view.__name__), cells))
    return "\n".join(
        (
            "# 权限 · Who may open and change what",
            "",
            "Written by `make docs` from the `grants` of the views and from",
            "`app/security/rules.py`; do not edit. A role that is not named has no access.",
            "",
            "A screen opens by a permission of a role; the rows and fields it then shows are those",
            "of the roles that opened it. One line of the second table is one decision: role,",
            "action, rows and fields together; several lines are united cell by cell, never rows",
            "and fields apart ([architecture.md](architecture.md) 3). *read* is list, show,",
            "export, print, download, act (a button on the row), api and history; *write* is add,",
            "edit, delete and import.",
            "",
            "| rows | meaning |",
            "| --- | --- |",
            "| 全部 | every row |",
            "| 本单位及下级 | rows of one's unit and of all units below it |",
            "| 本单位 | rows of one's unit alone |",
            "| 本人 | rows of the person or account itself |",
            "| 指定 | rows a rule of their own assigns; the rule stands beside it |",
            "",
            "## Screens",
            "",
            table(("screen", "roles and permissions"), by_screen),
            "## Tables",
            "",
            "Tables that are not listed are reached through services only; so are changes of a",
            "table without a line that says *write*.",
            "",
            table(("table", "roles", "may", "rows", "fields"), grant_rows()),
            "## Never shown to anybody",
            "",
            "Full numbers are revealed one at a time, with a reason, and every view is recorded.",
            "",
            table(("table", "fields"), never_rows()),
        )
    )


PAGES: dict[str, Callable[[], str]] = {
    "transitions.md": transitions_page,
    "permissions.md": permissions_page,
}


def main() -> None:
    """Write every page."""
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
