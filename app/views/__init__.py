"""The screens. `register()` is the whole menu: one line a module, in the order of the side bar."""

from __future__ import annotations

import importlib
from typing import Any

MODULES = (
    "lookup",
    "home",
    "background_jobs",
    "custom_files",
    "sessions",
    "public",
    "activation",
    "sign_in",
    "account_security",
    "applicant",
    "applications",
    "publicity",
    "meetings",
    "expert",
    "results",
    "signatures",
    "units",
    "unit_tree",
    "unit_moves",
    "accounts",
    "transfers",
    "account_checks",
    "imports",
    "exports",
    "specialties",
    "committees",
    "plan",
    "settings",
    "screens.packs",
    "screens.editor",
    "screens.sheets",
    "rehearsal",
    "audit",
    "why",
)


def register(appbuilder: Any) -> None:
    """Let every module of views add its screens to the menu."""
    for name in MODULES:
        importlib.import_module(f"app.views.{name}").register(appbuilder)
