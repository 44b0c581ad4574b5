"""Every screen named in the menu is there and can be imported."""

from __future__ import annotations

import importlib

import pytest

from app.views import MODULES


@pytest.mark.parametrize("name", MODULES)
def test_screen_module_registers_itself(name: str) -> None:
    assert callable(importlib.import_module(f"app.views.{name}").register)
