"""Screens as their definitions have them: shipped ones change nothing, published ones at once."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale
from wtforms import HiddenField

from app.security.guard import field_names
from app.services.definitions.screens import screen_in_force
from app.views import committees, settings, specialties, units
from app.views.screens.form_shape import shape_form
from app.views.screens.shape import SCREEN_VIEWS, built_in, shape_of

LOADED = (committees, settings, specialties, units)
SCREENS = sorted(SCREEN_VIEWS)


def view_of(app: Flask, key: str) -> Any:
    return next(
        view for view in app.extensions["appbuilder"].baseviews if type(view) is SCREEN_VIEWS[key]
    )


# ------------------------------------------------------------------ the shipped definitions


def test_every_screen_of_the_master_data_has_its_definition():
    assert {
        *("series", "specialty_groups", "specialties", "reason_codes", "dictionary_entries"),
        *("committees", "units", "experts", "calls", "requirements"),
    } <= {*SCREENS}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("key", SCREENS)
def test_a_shipped_definition_says_what_the_view_says(app: Flask, key: str, language: str):
    view = view_of(app, key)
    with app.test_request_context(), force_locale(language):
        assert shape_of(view) is not None
        for name in ("list_columns", "search_columns", "base_order", "page_size"):
            assert getattr(view, name) == built_in(view, name), name
        assert {*view.order_columns} == {*built_in(view, "order_columns")}
        labels = built_in(view, "label_columns")
        named = {*view.list_columns, *view.search_columns}
        assert {n: view.label_columns[n] for n in named} == {n: str(labels[n]) for n in named}
        own = built_in(view, "formatters_columns")
        assert {name: view.formatters_columns[name] for name in own} == own


def described(form: Any) -> list[tuple[str, str, str, bool]]:
    return [
        (name, str(field.label.text), str(field.description), bool(field.flags.required))
        for name, field in form._fields.items()
        if not isinstance(field, HiddenField)
    ]


OWN_LABELS = {
    ("UnitForm", "code"),
    ("UnitForm", "contact_phone"),
    ("OwnCodeForm", "code"),
}
"""Words a form uses instead of those of the screen, until the province gives the field its own."""

OWN_HINTS = {
    ("UnitChangeForm", "name"),
    ("UnitChangeForm", "registrar"),
    ("UnitChangeForm", "proof"),
    ("UnitChangeForm", "contact_phone"),
    ("OwnCodeForm", "code"),
}

FORMS = [(key, form) for key in SCREENS for form in SCREEN_VIEWS[key].shaped_forms]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("key", "form"), FORMS, ids=[form.__name__ for _key, form in FORMS])
def test_a_shipped_definition_leaves_the_form_as_it_is(
    app: Flask, key: str, form: Any, language: str
):
    view = view_of(app, key)
    with app.test_request_context(), force_locale(language):
        plain, shaped = form(), form()
        parts = shape_form(view, shaped, None)
        assert parts is not None
        [part] = parts
        assert (part.label, part.has_widths) == ("", False)
        assert [field.name for field in part.fields] == [name for name, *_rest in described(plain)]
        assert described(shaped) == described(plain)
        screen = screen_in_force(key)
        assert screen is not None
        for name, label, hint, _is_required in described(plain):
            known, place = screen.known[name], (form.__name__, name)
            says = (
                (known.label.zh, known.help.zh) if language == "zh" else (known.label, known.help)
            )
            assert (label == says[0]) is not (place in OWN_LABELS), place
            assert (hint == says[1]) is not (place in OWN_HINTS), place


@pytest.mark.parametrize("key", SCREENS)
def test_a_shipped_definition_names_no_field_that_nothing_knows(app: Flask, key: str):
    view = view_of(app, key)
    screen = screen_in_force(key)
    assert screen is not None
    forms = {name for form in view.shaped_forms for name in dir(form)}
    facts = {field.name for field in screen.shown_fields()}
    for name in screen.known:
        assert name in field_names(view.datamodel.obj) or name in forms or name in facts, name
