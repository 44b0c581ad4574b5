"""Compile the translation catalogues, and check that they hold every text of the code."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

ROOT = Path(__file__).resolve().parent.parent
TRANSLATIONS = ROOT / "translations"
KEYWORDS = DEFAULT_KEYWORDS | {"lazy_gettext": None, "lazy_ngettext": (1, 2)}


def compile_stale_catalogues(folder: Path = TRANSLATIONS) -> list[Path]:
    """Write each missing or outdated ``.mo`` below ``folder`` and return those written.

    Fuzzy messages stay untranslated. Raises PoFileError for a catalogue that cannot be read.
    """
    written = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        with source.open("rb") as file:
            catalogue = read_po(file, locale=source.parent.parent.name, abort_invalid=True)
        draft = target.with_suffix(f".mo.{os.getpid()}")
        with draft.open("wb") as file:
            write_mo(file, catalogue, use_fuzzy=False)
        draft.replace(target)  # a process that starts meanwhile reads the old one or the new one
        written.append(target)
    return written


def missing_translations(folder: Path = TRANSLATIONS) -> list[str]:
    """Name each text of the code and templates that a catalogue lacks or holds as fuzzy."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    found = extract_from_dir(ROOT, methods, options, keywords=KEYWORDS)
    texts = {(context, text): f"{name}:{line}" for name, line, text, _, context in found}
    problems = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        with source.open("rb") as file:
            catalogue = read_po(file, locale=source.parent.parent.name, abort_invalid=True)
        problems += [
            f"{source.relative_to(ROOT)} lacks {text!r} of {where}"
            for (context, text), where in sorted(texts.items(), key=lambda item: item[1])
            if not is_translated(catalogue, text, context)
        ]
    return problems


def is_translated(catalogue: Catalog, text: str | tuple[str, ...], context: str | None) -> bool:
    """Tell whether ``text`` has a translation that somebody confirmed."""
    message = catalogue.get(text[0] if isinstance(text, tuple) else text, context)
    if message is None or message.fuzzy:
        return False
    forms = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
    return all(forms)


def main() -> None:
    """Compile what is stale; with --check also report what is not translated."""
    try:
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
