"""The template of a sheet: drop-downs of the present configuration, guide, examples, mark."""

from __future__ import annotations

from app.domain.messages import N_
from app.domain.sheets import LAYOUTS, PEOPLE, SheetLayout
from app.services.actors import Actor
from app.services.imports.choices import Say, list_choices
from app.services.imports.workbooks import Workbook
from app.services.settings import parameter

EXAMPLES = {
    "people": (
        {
            "name": N_("Example One"),
            "identity_number": "52010319900101001X",
            "phone": "13800000001",
            "is_handler": "no",
        },
        {
            "name": N_("Example Two"),
            "identity_number": "520103198505050022",
            "phone": "13800000002",
            "is_handler": "yes",
        },
    ),
    "units": (
        {"name": N_("Example Unit, First Branch"), "division": "520103"},
        {"name": N_("Example Unit, Second Branch"), "contact_name": N_("Example One")},
    ),
}
"""Shown on the guide sheet, where nobody imports them by mistake; msgids."""


def build_template(layout: SheetLayout, say: Say, *, actor: Actor) -> bytes:
    """The workbook to fill in."""
    choices = list_choices(layout, actor=actor)
    most = int(parameter("import_most_rows"))
    book = Workbook(say)
    book.add_layout(layout, choices, most_rows=most)
    book.add_guide(N_("How to fill it in"), _guide(layout, say, most), table=_examples(layout, say))
    book.add_hidden(layout, choices)
    return book.content()


def limits(say: Say) -> list[str]:
    """What a file may be, said before it is uploaded."""
    return [
        say(N_("One .xlsx file of at most %(megabytes)s MB and %(rows)s rows."))
        % {
            "megabytes": int(parameter("import_most_megabytes")),
            "rows": int(parameter("import_most_rows")),
        },
        say(N_("No macros, no password, no formulas; all cells as text.")),
        say(
            N_(
                "Order of the columns and empty rows do not matter; full-width digits and blanks "
                "in numbers are understood."
            )
        ),
    ]


def _guide(layout: SheetLayout, say: Say, most: int) -> list[str]:
    texts = [
        say(N_("Fill in the first sheet, one row each; columns with * are required.")),
        *limits(say),
        say(
            N_(
                "Document numbers and telephone numbers are texts. If Excel shows something like "
                "5.20103E+17, the last digits are lost: type the number again as text."
            )
        ),
        say(
            N_(
                "After the upload every row is checked and nothing is written. You see what is "
                "new, what stays, what changes and what fails, and confirm it; rows with problems "
                "come back as a file of their own."
            )
        ),
    ]
    if layout is PEOPLE:
        texts.append(
            say(
                N_(
                    "Annex 3: creating personal accounts for people of other units counts as "
                    "misconduct. A person who has an account in another unit is transferred, not "
                    "created again."
                )
            )
        )
    texts += [
        f"{say(column.heading)}: {say(column.hint)}" for column in layout.columns if column.hint
    ]
    return texts


def _examples(layout: SheetLayout, say: Say) -> tuple[object, list[dict[str, str]]] | None:
    rows = EXAMPLES.get(layout.word)
    if rows is None:
        return None
    words = {"yes": N_("Yes"), "no": N_("No")}
    return layout.columns, [
        {key: say(words.get(value, value)) for key, value in row.items()} for row in rows
    ]


def layout_of(word: str) -> SheetLayout | None:
    """The sheet with that word."""
    return LAYOUTS.get(word)
