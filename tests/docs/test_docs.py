"""The documents say what is so: rules, configuration, words, links, generated pages."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml
from flask import Flask

from app import cli
from app.domain.workflow import TRANSITIONS, ActorRole
from app.services import invariants
from docs.__main__ import PAGES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
RULES = (DOCS / "rules.md").read_text(encoding="utf-8")
GUIDES = [ROOT / "README.md", ROOT / "README.en.md", ROOT / "CHANGELOG.md", *DOCS.glob("*.md")]

CODE = re.compile(r"`([a-z_]+(?:\.[a-z_]+)*:[A-Za-z_.]+)`")
TEST = re.compile(r"`([a-z_/]+\.py(?:::\w+)+)`")


def numbered(letter: str, *parts: range, width: int = 0) -> list[str]:
    """Ids like R01: a letter and the numbers of some ranges."""
    return [f"{letter}{number:0{width}d}" for part in parts for number in part]


IDS = {
    "rules": numbered(
        "R", range(1, 16), range(20, 31), range(40, 51), range(60, 85), width=2
    ),
    "set-up": numbered("Y", range(1, 7)),
    "transitions": [str(number) for number in range(1, 39)],
    "meeting": numbered("M", range(1, 11)),
    "time": numbered("A", range(1, 12)),
    "submission": numbered("B", range(1, 8)),
    "route": numbered("C", range(1, 8)),
    "committee": numbered("D", range(1, 8)),
    "accounts": numbered("E", range(1, 12)),
    "privacy": numbered("F", range(1, 3)),
    "other": numbered("G", range(1, 7)),
    "complaints": numbered("6-", range(1, 18)),
}  # fmt: skip


def tables(text: str, *columns: str) -> list[dict[str, str]]:
    """The rows of every Markdown table that has these columns, as column → cell."""
    rows: list[dict[str, str]] = []
    header: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            header = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not header:
            header = cells
        elif set("".join(cells)) - set("-: ") and all(name in header for name in columns):
            rows.append(dict(zip(header, cells, strict=True)))
    return rows


@cache
def names_in(path: Path) -> frozenset[str]:
    """Every name a module defines at its top level, and those of its classes as Class.name."""
    found: set[str] = set()

    def collect(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                found.add(prefix + node.name)
            elif isinstance(node, ast.ClassDef):
                found.add(prefix + node.name)
                collect(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.Assign):
                found.update(prefix + t.id for t in node.targets if isinstance(t, ast.Name))
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(prefix + node.target.id)

    if path.exists():
        collect(ast.parse(path.read_text(encoding="utf-8")).body, "")
    return frozenset(found)


def code_exists(reference: str) -> bool:
    """Whether `package.module:name` stands below app/."""
    module, _, name = reference.partition(":")
    return name in names_in(ROOT / "app" / (module.replace(".", "/") + ".py"))


def test_exists(reference: str) -> bool:
    """Whether `file::name` stands below tests/."""
    path, _, name = reference.partition("::")
    return name.replace("::", ".") in names_in(ROOT / "tests" / path)


test_exists.__test__ = False  # type: ignore[attr-defined]  # a question, not a test


def without_spaces(text: str) -> str:
    return re.sub(r"\s", "", text)


# --------------------------------------------------------------------------- the rule book


def test_rules_hold_the_notice_word_for_word() -> None:
    notice = (DOCS / "notice-2022.txt").read_text(encoding="utf-8-sig")
    clauses = tables(RULES, "clause", "notice")
    assert without_spaces("".join(row["notice"] for row in clauses)) == without_spaces(notice)


def test_rules_name_only_code_that_exists() -> None:
    references = CODE.findall(RULES)
    assert len(references) > 200
    assert [one for one in references if not code_exists(one)] == []


def test_rules_name_only_tests_that_exist() -> None:
    references = TEST.findall(RULES)
    assert len(references) > 200
    assert [one for one in references if not test_exists(one)] == []


@pytest.mark.parametrize("family", IDS)
def test_rules_leave_out_no_rule(family: str) -> None:
    listed = [row["id"] for row in tables(RULES, "id", "code", "tests")]
    assert [(one, listed.count(one)) for one in IDS[family]] == [(one, 1) for one in IDS[family]]


def test_every_row_has_code_and_a_test_or_a_reason() -> None:
    rows = tables(RULES, "code", "tests")
    bare = [
        (row.get("id") or row.get("clause"), column)
        for row in rows
        for column, pattern in (("code", CODE), ("tests", TEST))
        if not pattern.search(row[column])
        and not re.fullmatch(r"—\S.{10,}", row[column])
    ]  # fmt: skip
    assert bare == []


def test_rules_list_every_transition_row_and_every_role() -> None:
    listed = {row["id"] for row in tables(RULES, "id", "rule", "code")}
    assert {str(row.row) for row in TRANSITIONS if row.row} <= listed
    roles = {row["role"].strip("`") for row in tables(RULES, "role", "who and what")}
    assert roles == {role.value for role in ActorRole} - {"system"}


def test_rules_list_the_parameters_of_the_seed() -> None:
    seeded = yaml.safe_load((ROOT / "seed" / "parameters.yaml").read_text(encoding="utf-8"))
    shown = {True: "yes", False: "no"}
    expected = {
        item["key"]: (
            shown[item["default"]] if isinstance(item["default"], bool) else str(item["default"])
        )
        for item in seeded["parameters"]
    }
    listed = {
        row["parameter"].strip("`"): row["default"] for row in tables(RULES, "parameter", "default")
    }
    assert listed == expected


def test_code_cites_only_rules_the_book_has() -> None:
    headings = set(re.findall(r"^#+ (\d(?:\.\d)?)", RULES, flags=re.MULTILINE)) | {"5"}
    listed = headings | {row["id"] for row in tables(RULES, "id", "code")}
    cited = {
        (path.name, citation)
        for path in (ROOT / "app").rglob("*.py")
        for citation in re.findall(
            r"\b[Rr]ules(?:\.md)? (\d(?:\.\d)?|[A-GMRY]\d{1,2})\b", path.read_text(encoding="utf-8")
        )
    }
    assert len(cited) > 20
    assert sorted(one for one in cited if one[1] not in listed) == []


# --------------------------------------------------------------------------- generated pages


@pytest.mark.parametrize("name", PAGES)
def test_generated_page_is_up_to_date(name: str) -> None:
    """`make docs` writes it again."""
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name]()


# --------------------------------------------------------------------------- configuration


def settings_of_config() -> dict[str, str | None]:
    """Every variable config.py reads, with its default where that is written out."""
    found: dict[str, str | None] = {}
    for node in ast.walk(ast.parse((ROOT / "config.py").read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if not node.func.id.startswith("env_") and node.func.id != "trusted_networks":
            continue
        if not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        given = node.args[1] if len(node.args) > 1 else None
        given = next((k.value for k in node.keywords if k.arg == "default"), given)
        name, default = str(node.args[0].value), None
        if isinstance(given, ast.Constant):
            default = {True: "yes", False: "no"}.get(given.value) if isinstance(
                given.value, bool
            ) else str(given.value)  # fmt: skip
        found[name] = default
    return found


@pytest.mark.parametrize(
    ("readme", "columns"),
    [("README.md", ("变量", "默认", "含义")), ("README.en.md", ("variable", "default", "meaning"))],
)
def test_readme_lists_every_setting(readme: str, columns: tuple[str, str, str]) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    listed = {
        row[columns[0]].strip("`"): row[columns[1]].strip("`") for row in tables(text, *columns)
    }
    settings = settings_of_config()
    assert set(listed) == set(settings)
    written_out = {name: value for name, value in settings.items() if value is not None}
    assert {name: listed[name] for name in written_out} == written_out


# --------------------------------------------------------------------------- words, links, names


def test_glossary_names_only_what_the_code_has() -> None:
    sources = [*(ROOT / "app").rglob("*.py"), *(ROOT / "seed").rglob("*.yaml")]
    known = {
        word
        for path in sources
        for word in re.findall(r"[A-Za-z_]\w*", path.read_text(encoding="utf-8"))
    }
    glossary = (DOCS / "glossary.md").read_text(encoding="utf-8")
    named = {
        word
        for row in tables(glossary, "Identifier")
        for code in re.findall(r"`([^`]+)`", row["Identifier"])
        for word in re.findall(r"[A-Za-z_]\w*", code)
    }
    assert len(named) > 150
    assert sorted(named - known) == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_links_lead_to_files(guide: Path) -> None:
    text = re.sub(r"```.*?```", "", guide.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (guide.parent / target).exists()] == []


def test_readmes_say_the_same() -> None:
    chinese, english = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.en.md")
    )
    for pattern in (r"^```\n(.*?)\n```$", r"!\[[^\]]*\]\((\S+)\)", r"^\| `(\w+)` \|"):
        found = [re.findall(pattern, text, re.DOTALL | re.MULTILINE) for text in (chinese, english)]
        assert found[0] == found[1]
    assert chinese.count("\n## ") == english.count("\n## ")


def test_cli_page_lists_every_check_and_command() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    listed = {row["check"].strip("`") for row in tables(page, "check", "holds when")}
    assert listed == set(invariants.CHECKS)
    application = Flask("commands")
    cli.register(application)
    names = {name for name in application.cli.commands if name not in ("demo", "rehearsal")}
    assert sorted(name for name in names if f"./portal {name}" not in page) == []


def test_every_direct_dependency_has_its_reason() -> None:
    page = (DOCS / "dependencies.md").read_text(encoding="utf-8").lower()
    wanted = {
        re.split(r"[=<>;\[ ]", line.strip(), maxsplit=1)[0].lower()
        for name in ("requirements.txt", "requirements-dev.txt")
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith(("#", "-"))
    }
    known = page.replace("types-*", " ".join(name for name in wanted if name.startswith("types-")))
    assert sorted(name for name in wanted if name not in known) == []


def test_make_targets_of_the_readmes_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for guide in GUIDES:
        text = guide.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:`|^|&& )(?:[A-Z]+=\S+ )*make ([a-z-]+)", text, re.MULTILINE))
        assert named <= targets, guide.name


def test_no_file_names_the_place_it_was_written_at() -> None:
    """A clone depends on nothing but itself."""
    foreign = [
        "/" + "work/main",
        "/" + "work/shared",
        "/" + "farm/",
        "bash" + "_jobs",
        "fresh" + ".XXXXXX",
        "registry.npmjs" + ".org",
        "pypi" + ".org/simple",
        "--index" + "-url",
        "/" + "root/.pyenv",
    ]
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False
    )  # fmt: skip
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    found = []
    for name in filter(None, tracked.stdout.decode("utf-8").split("\0")):
        path = ROOT / name
        if not path.is_file() or path.suffix in {".otf", ".gz", ".png", ".woff2", ".pdf"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [(name, word) for word in foreign if word in text]
    assert found == []
