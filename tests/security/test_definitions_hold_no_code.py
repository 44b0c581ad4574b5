"""No way from a definition to code: whatever is put into one is refused in words or shown as
text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import app as app_package
from app import clock
from app.domain import terms
from app.domain.errors import DomainError
from app.domain.layers import MOST_VALUES, LayerError, flatten, merge, unflatten
from app.extensions import db
from app.messages import explain
from app.services.actors import Actor
from app.services.definitions import store
from app.services.definitions.lint import lint, lint_layer
from app.services.definitions.places import all_places
from app.services.definitions.registered import CONDITIONS, ENUMERATIONS, ROLES, SOURCES
from app.services.definitions.schemas import require_valid
from app.services.definitions.versions import add_version
from app.services.form_definition import APPLICATION_FORM, read_form
from tests.applicants import begin_draft
from tests.services.test_lint import FORM, SCREEN

NOW = clock.real_now()
ETHNICITY = "sections/profile/fields/ethnicity"

TEXTS = (
    "__class__",
    "{{7*7}}",
    "{% include 'x' %}",
    "{0.__class__.__mro__}",
    "%(x)s",
    "100%",
    "%s%n%d",
    "${jndi:ldap://x}",
    "<script>alert(1)</script>",
    "'; DROP TABLE person; --",
    "../../etc/passwd",
    "os.system",
    "=cmd|'/c calc'!A1",
    "\0",
    "\ud800",
    "\u202e",
    "长" * 30_000,
    "",
    " ",
)
"""What somebody might try in a label, a name, a value."""

evil = st.sampled_from(TEXTS) | st.text(max_size=30)
scalars = evil | st.none() | st.booleans() | st.integers() | st.floats() | st.just(10**4000)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(evil, inner, max_size=3),
    max_leaves=8,
)
known_paths = st.sampled_from(sorted(flatten(FORM)))
parts = st.sampled_from(
    ("sections", "fields", "columns", "options", "profile", "ethnicity", "#", "kind", "label",
     "source", "name", "key", "shown_when", "values", "default", "list", "order", "x_a")
) | evil  # fmt: skip
paths = known_paths | st.lists(parts, min_size=1, max_size=9).map("/".join)
layers = st.dictionaries(paths, values, max_size=6)

fuzzed = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@fuzzed
@given(layer=layers)
def test_a_layer_is_refused_in_words_or_becomes_a_readable_form(
    app: Flask, layer: dict[str, Any]
) -> None:
    try:
        definition = unflatten(merge(flatten(FORM), layer))
        require_valid(definition)
    except DomainError as error:
        explain(error)
        return
    for finding in lint(definition):
        assert finding.template % finding.params
    read_form(definition)


@fuzzed
@given(definition=st.dictionaries(evil, values, max_size=4) | values)
def test_anything_at_all_can_be_checked(app: Flask, definition: Any) -> None:
    for finding in lint(definition if isinstance(definition, dict) else {"x": definition}):
        assert finding.template % finding.params


@seed(20261125)
@settings(fuzzed, max_examples=40)
@given(layer=layers)
def test_a_draft_of_anything_is_kept_or_refused_and_the_database_goes_on(
    app: Flask, actor: Callable[[str], Actor], layer: dict[str, Any]
) -> None:
    with db.session.begin_nested() as nested:
        try:
            store.change_draft(
                APPLICATION_FORM, layer, expected_version=0, actor=actor("province"), now=NOW
            )
        except DomainError as error:
            explain(error)
        nested.rollback()
    assert store.current(APPLICATION_FORM)["key"] == APPLICATION_FORM


@pytest.mark.parametrize(
    "layer",
    [
        {"/".join(["sections"] * 2_000): "x"},
        {ETHNICITY + "/" + "x" * 10_000: "x"},
        {f"{ETHNICITY}/options/o{n}/#": n for n in range(MOST_VALUES + 1)},
        {f"{ETHNICITY}/#": "before"},
        {f"{ETHNICITY}/#": True},
        {f"{ETHNICITY}/#": float("nan")},
        {f"{ETHNICITY}/name": "password"},
        {"sections/profile/key": "other"},
        {"sections/profile": "text"},
        {f"{ETHNICITY}/label": "a\0b"},
        {f"{ETHNICITY}/label": "a\ud800b"},
        {f"{ETHNICITY}/minimum": float("inf")},
        {f"{ETHNICITY}/minimum": 10**400},
        {f"{ETHNICITY}/default": [[[[[["deep"]]]]]]},
        {"": "x"},
        {"sections//label": "x"},
        {"sections/profile/fields/ethnicity/label/": "x"},
    ],
    ids=lambda layer: ascii(next(iter(layer)))[-30:] + ascii(next(iter(layer.values())))[:20],
)
def test_what_no_definition_can_hold_is_refused_before_it_is_built(layer: dict[str, Any]) -> None:
    with pytest.raises(LayerError):
        unflatten(merge(flatten(FORM), layer))


def test_definitions_name_the_program_by_registered_words_alone(app: Flask) -> None:
    for word in ("__class__", "app.models", "Account", "os", "person", "../x", "system", "public"):
        assert word not in CONDITIONS | SOURCES | ROLES | {*ENUMERATIONS}
    assert all(found.__module__ == terms.__name__ for found in ENUMERATIONS.values())
    wanted = {
        "required_when": ("os_system", "required_when_unknown"),
        "source": ("accounts", "source_unknown"),
        "enumeration": ("Account", "enumeration_unknown"),
        "see_roles": (["root"], "role_unknown"),
    }
    for name, (word, code) in wanted.items():
        found = lint_layer(APPLICATION_FORM, {f"{ETHNICITY}/{name}": word})
        assert code in {finding.code for finding in found if finding.blocks}, name
    for definition in (FORM, SCREEN):
        for place in all_places(definition):
            assert place.given.get("source") in {None, *SOURCES}
            assert place.given.get("required_when") in {None, *CONDITIONS}


ODD = '100% %(x)s {0} {{7*7}} <img src=x onerror="alert(1)">'
SHOWN = "100% %(x)s {0} {{7*7}} &lt;img src=x onerror=&#34;alert(1)&#34;&gt;"


def test_texts_of_a_definition_are_shown_as_they_are_typed(
    app: Flask, sign_in: Callable[[str], FlaskClient]
) -> None:
    """A version that came past the check (an old one, a pack) harms no page either."""
    odd = {
        f"{ETHNICITY}/label_zh": ODD,
        f"{ETHNICITY}/help_zh": ODD,
        "sections/profile/label_zh": ODD,
        "sections/profile/help_zh": ODD,
    }
    add_version(APPLICATION_FORM, "", odd, reason=ODD)
    draft = begin_draft("王敏", clock.now())
    db.session.commit()
    client = sign_in("王敏")
    base = f"/my/applications/{draft.id}"
    for path in (f"{base}/sections/profile", f"{base}/check/"):
        answer = client.get(path)
        text = answer.get_data(as_text=True)
        assert answer.status_code == 200, path
        assert "<img src=x" not in text
        assert SHOWN in text, path


def test_what_a_refusal_repeats_is_shown_as_text(app: Flask) -> None:
    """Refusals hold what was typed; a template neither fills in nor trusts it."""
    with app.test_request_context("/"):
        assert render_template_string("{{ text|say }}", text=ODD) == SHOWN
        page = render_template_string(
            '{% import "appbuilder/general/lib.html" as lib with context %}'
            "{{ lib.form_errors(f) }}",
            f=_Form(),
        )
    assert SHOWN in page


class _Form:
    errors = {None: [ODD], "name": [ODD]}
    _fields: dict[str, Any] = {}


def test_no_template_translates_what_it_is_given() -> None:
    """`_()` of a template gives markup with its % signs filled in: for texts written there only."""
    folder = Path(app_package.__file__).parent / "templates"
    given_ = re.compile(r"(?<![\w.])n?_\((?!\s*['\"])")
    found = [path.name for path in folder.rglob("*.html") if given_.search(path.read_text("utf-8"))]
    assert found == []
