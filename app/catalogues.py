"""Collect the texts of the code, compile the translation catalogues, and check that they are
complete.

A catalogue holds the texts of Flask-AppBuilder and of WTForms as well as our own: what they ship
is incomplete, and wrong in places. Flask-Babel lets ours win; app.language hands it to the forms.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
TRANSLATIONS = ROOT / "translations"
KEYWORDS = DEFAULT_KEYWORDS | {"lazy_gettext": None, "_l": None, "lazy_ngettext": (1, 2)}
LIBRARIES = ("flask_appbuilder", "wtforms")
LIBRARY_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
UNDATED = datetime(2022, 1, 1, tzinfo=UTC)
"""The date in the head of a catalogue: git knows when it was changed."""

PLACEHOLDER = re.compile(r"%\(\w+\)[#0 +-]*\d*(?:\.\d+)?[a-z]|%[sdr]|\{\w*\}")

Found = tuple[str, int, "str | tuple[str, ...]", str | None]
"""File, line, msgid (singular and plural), context."""


def extract_texts() -> Iterator[Found]:
    """Yield each text of our code and templates, of Flask-AppBuilder and of WTForms."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    for name, line, text, _, context in extract_from_dir(ROOT, methods, options, keywords=KEYWORDS):
        yield name, line, text, context
    for library in LIBRARIES:
        spec = find_spec(library)
        if spec is None or spec.origin is None:
            raise OSError(f"the package {library} is missing")
        folder = Path(spec.origin).parent
        for name, line, text, _, context in extract_from_dir(
            folder, LIBRARY_METHODS, keywords=KEYWORDS
        ):
            yield f"{library}/{name}", line, text, context


def collect_texts() -> Catalog:
    """Return the template catalogue of all texts, without translations."""
    template = Catalog(project="portal", version="1", charset="utf-8", creation_date=UNDATED)
    for _, _, text, context in extract_texts():
        template.add(text, context=context)
    return template


def update_catalogues(folder: Path = TRANSLATIONS) -> None:
    """Write the template and bring each catalogue to its texts; translations in use are kept."""
    template = collect_texts()
    _write(folder / "messages.pot", template)
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        catalogue = read_catalogue(source)
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        _write(source, catalogue)


def _write(path: Path, catalogue: Catalog) -> None:
    catalogue.header_comment = "# Texts of the portal: make messages collects them."
    catalogue.revision_date = UNDATED
    catalogue.fuzzy = False
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, no_location=True, sort_output=True, width=98)


def read_catalogue(source: Path) -> Catalog:
    """Return the catalogue of a ``.po`` file. Raises PoFileError when it cannot be read."""
    with source.open("rb") as file:
        return read_po(file, locale=source.parent.parent.name, abort_invalid=True)


def compile_stale_catalogues(folder: Path = TRANSLATIONS) -> list[Path]:
    """Write each missing or outdated ``.mo`` below ``folder`` and return those written.

    Fuzzy messages stay untranslated. Raises PoFileError for a catalogue that cannot be read.
    """
    written = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        catalogue = read_catalogue(source)
        draft = target.with_suffix(f".mo.{os.getpid()}")
        with draft.open("wb") as file:
            write_mo(file, catalogue, use_fuzzy=False)
        draft.replace(target)  # a process that starts meanwhile reads the old one or the new one
        written.append(target)
    return written


def missing_translations(folder: Path = TRANSLATIONS) -> list[str]:
    """Name each text that a catalogue lacks, holds as fuzzy, or translates with other
    placeholders."""
    texts = {(context, text): f"{name}:{line}" for name, line, text, context in extract_texts()}
    problems = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        catalogue = read_catalogue(source)
        name = source.relative_to(folder)
        problems += [
            f"{name} lacks {text!r} of {where}"
            for (context, text), where in sorted(texts.items(), key=lambda item: item[1])
            if not is_translated(catalogue, text, context)
        ]
        problems += [
            f"{name}: the placeholders of {message.id!r} are not those of {message.string!r}"
            for message in catalogue
            if message.id and all(forms_of(message.string)) and not has_equal_placeholders(message)
        ]
    return problems


def is_translated(catalogue: Catalog, text: str | tuple[str, ...], context: str | None) -> bool:
    """Tell whether ``text`` has a translation that somebody confirmed."""
    message = catalogue.get(text[0] if isinstance(text, tuple) else text, context)
    return message is not None and not message.fuzzy and all(forms_of(message.string))


def forms_of(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    """Return the forms of a msgid or msgstr: one, or one for each number."""
    return tuple(text) if isinstance(text, (tuple, list)) else (text or "",)


def has_equal_placeholders(message: Message) -> bool:
    """Tell whether each form of the translation fills in what the text fills in."""
    wanted = {tuple(sorted(PLACEHOLDER.findall(form))) for form in forms_of(message.id)}
    given = {tuple(sorted(PLACEHOLDER.findall(form))) for form in forms_of(message.string)}
    return given <= wanted


def main() -> None:
    """Compile what is stale; with --update collect the texts first, with --check report what is
    not translated."""
    try:
        if "--update" in sys.argv[1:]:
            update_catalogues()
        compile_stale_catalogues()
        problems = missing_translations() if "--check" in sys.argv[1:] else []
    except (OSError, PoFileError) as error:
        sys.exit(f"The translations cannot be compiled: {error}. Correct the .po file it names.")
    if problems:
        print("\n".join(problems))
        sys.exit(
            f"{len(problems)} texts are not translated: make messages, then fill the .po file."
        )


if __name__ == "__main__":
    main()
