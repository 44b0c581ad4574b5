"""Until the process services land: resolve them when used."""
import importlib
from typing import Any


class _Later:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module("app.services." + self._name), attribute)


employer = _Later("employer")
lapses = _Later("lapses")
publicity = _Later("publicity")
routing = _Later("routing")
