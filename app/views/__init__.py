"""The screens. `register()` is the whole menu: one line a module, in the order of the side bar."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from typing import Any

MODULES = (
    "lookup",
    "home",
    "public",
    "applicant",
    "applications",
    "publicity",
    "meetings",
    "expert",
    "results",
    "units",
    "accounts",
    "specialties",
    "committees",
    "plan",
    "settings",
    "rehearsal",
    "audit",
)


def register(appbuilder: Any) -> None:
    """Let every module of views add its screens to the menu."""
    for name in MODULES:
        if importlib.util.find_spec(f"app.views.{name}"):
            try:
                module = importlib.import_module(f"app.views.{name}")
            except ImportError as error:  # while its services are still being written
                logging.getLogger(__name__).error("app.views.%s is left out: %s", name, error)
                continue
            module.register(appbuilder)
