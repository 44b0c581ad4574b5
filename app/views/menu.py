"""The side bar: by job, not by table (categories in this order)."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _

CATEGORIES = {
    "work": _("Work items"),
    "applications": _("Application check"),
    "publicity": _("Publicity"),
    "review": _("Review"),
    "results": _("Results and certificates"),
    "master": _("Master data"),
    "screens": _("Screen configuration"),
    "system": _("System"),
}

ICONS = {
    "work": "list-check",
    "applications": "clipboard-check",
    "publicity": "speakerphone",
    "review": "gavel",
    "results": "certificate",
    "master": "database",
    "screens": "layout-dashboard",
    "system": "settings",
}


def add_screen(
    appbuilder: Any,
    view: Any,
    name: str,
    *,
    label: Any,
    category: str,
    href: str = "",
    icon: str = "",
) -> Any:
    """Register `view` with a menu entry `name` under `category`; the view's grants give the entry
    too."""
    view.menu_names = (name, category)
    return appbuilder.add_view(
        view,
        name,
        href=href,
        label=label,
        icon=icon,
        category=category,
        category_icon=ICONS[category],
        category_label=CATEGORIES[category],
    )
