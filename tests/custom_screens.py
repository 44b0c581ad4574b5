"""A screen with a custom field of every kind, for tests of what a province adds."""

from __future__ import annotations

from typing import Any

from app.services.definitions.custom_fields import published_fields
from app.services.definitions.shipped import ship
from app.services.form_definition import Field

OPTIONS = [
    {"code": "a", "label_zh": "甲", "label": "A"},
    {"code": "b", "label_zh": "乙", "label": "B"},
]
COLUMNS = [
    {"name": "x_place", "kind": "text", "label": "Place", "label_zh": "地点"},
    {"name": "x_count", "kind": "number", "label": "Count", "label_zh": "数量"},
]
KINDS: dict[str, dict[str, Any]] = {
    "x_text": {"kind": "text", "max_length": 300},
    "x_long": {"kind": "long_text"},
    "x_number": {"kind": "number", "minimum": 0, "maximum": 99},
    "x_date": {"kind": "date"},
    "x_month": {"kind": "month"},
    "x_flag": {"kind": "boolean"},
    "x_choice": {"kind": "choice", "options": OPTIONS},
    "x_choices": {"kind": "multiple_choice", "dictionary": "ethnicity"},
    "x_person": {"kind": "person"},
    "x_unit": {"kind": "unit"},
    "x_division": {"kind": "division"},
    "x_file": {"kind": "file"},
    "x_rows": {"kind": "rows", "columns": COLUMNS},
}
UNSORTED = {"x_long", "x_choices", "x_person", "x_unit", "x_division", "x_file", "x_rows"}
UNFILTERED = {"x_file", "x_rows"}


def ship_fields(key: str = "specialties", **fields: dict[str, Any]) -> dict[str, Field]:
    """Put a screen with these custom fields, or one of every kind, in force."""
    ship(
        {
            "key": key,
            "kind": "record",
            "label": "A screen",
            "sections": [
                {
                    "key": "more",
                    "label": "More",
                    "is_custom": True,
                    "fields": [
                        {
                            "name": name,
                            "label": name,
                            "is_custom": True,
                            "in_filter": name not in UNFILTERED,
                            "is_sortable": name not in UNSORTED,
                            **given,
                        }
                        for name, given in (fields or KINDS).items()
                    ],
                }
            ],
        }
    )
    return dict(published_fields(key))
