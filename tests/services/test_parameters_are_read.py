"""A parameter the province may change changes something (docs/rules.md 8)."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]

NOT_YET = {
    "count_new_items_after_submission": "added items are marked; counting is the experts' own",
    "draft_retention_years": "nothing is deleted yet",
    "meeting_record_years": "nothing is deleted yet",
    "paper_materials_required": "no step of the flow asks for paper",
}
"""Parameters kept for a later stage, and why nothing reads them."""


def test_every_parameter_that_may_be_changed_is_read() -> None:
    parameters = yaml.safe_load((ROOT / "seed/parameters.yaml").read_text(encoding="utf-8"))
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "app").rglob("*.py"))
    read = set(re.findall(r"[\"']([a-z0-9_]+)[\"']", code))
    changeable = {each["key"] for each in parameters["parameters"] if not each["is_fixed"]}

    assert changeable - read == set(NOT_YET)
