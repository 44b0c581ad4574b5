"""Requests nobody's page sends: foreign keys in filters, pickers, prefill, actions and posts,
hidden columns to sort by, huge pages, fields that are not granted. Each is refused, or answers
nothing."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_appbuilder import ModelRestApi
from sqlalchemy import event, select

from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Account, Person, Unit
from app.security import scope
from app.security.guard import GRANTS, READING, Action, Grant, only
from app.security.scope import EVERYTHING, ScopedInterface, ScopeError, own_unit, subtree
from app.services.actors import Actor
from app.views import units as unit_views
from app.views.base import PortalModelView

SignIn = Callable[[str], FlaskClient]
Find = Callable[[str], Account]
VIEWS = Path(unit_views.__file__).parent


@pytest.fixture
def foreign(account: Find) -> Unit:
    """A unit outside the subtree of nmdesign, with a word nobody else has."""
    own = account("nmdesign").unit
    assert own is not None
    row = db.session.scalars(
        select(Unit).where(~Unit.path.startswith(own.path)).order_by(Unit.id.desc())
    ).first()
    assert row is not None
    row.name = "植入单位名"
    row.pinyin = "zhirudanweiming"
    db.session.commit()
    return row


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit administrator reads all of its own unit, and of all others the name alone."""
    grants = [
        Grant(R.UNIT_ADMIN, Unit, READING, own_unit(Unit.id)),
        Grant(R.UNIT_ADMIN, Unit, READING, EVERYTHING, only("name", "is_active")),
    ]
    monkeypatch.setitem(GRANTS, Unit, grants)


def text(client: FlaskClient, path: str) -> str:
    """A page that opens."""
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.get_data(as_text=True)


# --------------------------------------------------------------------------- rows


def test_a_filter_by_a_foreign_key_finds_nothing(
    sign_in: SignIn, account: Find, foreign: Unit
) -> None:
    page = text(sign_in("nmdesign"), f"/accounts/list/?_flt_0_unit={foreign.id}")
    assert "植入单位名" not in page
    assert "/accounts/show/" not in page


def test_a_picker_knows_no_foreign_row(sign_in: SignIn, foreign: Unit) -> None:
    client = sign_in("nmdesign")
    assert client.get("/lookup/unit?q=植入").get_json() == []
    assert client.get("/lookup/unit?q=zhiru").get_json() == []
    assert client.get(f"/lookup/unit?q={foreign.code}").get_json() == []


def test_people_and_accounts_are_looked_up_in_scope(sign_in: SignIn, account: Find) -> None:
    person = Person(
        name="植入人员",
        identity_number="110101199003070011",
        identity_hash="f" * 64,
        identity_mask="110***0011",
        pinyin="zhirurenyuan",
    )
    db.session.add(person)
    db.session.commit()
    client = sign_in("nmdesign")
    for table in ("person", "ab_user"):
        assert client.get(f"/lookup/{table}?q=植入").get_json() == []
    found = sign_in("security").get("/lookup/person?q=植入").get_json()
    assert [entry["text"] for entry in found] == ["植入人员"]


def test_a_foreign_key_in_a_form_is_no_choice(sign_in: SignIn, foreign: Unit) -> None:
    """The posted key of a look-up field is read in scope."""
    answer = sign_in("nmdesign").post(
        "/units/add", data={"name": "新单位", "kind": "employer", "parent": foreign.id}
    )
    assert answer.status_code == 422
    assert db.session.scalars(select(Unit).where(Unit.name == "新单位")).first() is None


@pytest.mark.parametrize("name", ["show", "edit", "close", "own_code"])
def test_a_foreign_record_is_not_there(sign_in: SignIn, foreign: Unit, name: str) -> None:
    assert sign_in("nmdesign").get(f"/units/{name}/{foreign.id}").status_code == 404


def test_a_button_on_a_foreign_record(sign_in: SignIn, foreign: Unit) -> None:
    foreign.is_active = False
    db.session.commit()
    assert sign_in("nmdesign").post(f"/units/open/{foreign.id}").status_code == 404
    db.session.expire_all()
    assert db.session.get_one(Unit, foreign.id).is_active is False


@pytest.mark.parametrize("path", ["/units/action/push/1", "/units/action_post", "/units/delete/1"])
def test_there_is_no_way_around_the_buttons(sign_in: SignIn, path: str) -> None:
    assert sign_in("nmdesign").post(path, data={"action": "push", "rowid": "1"}).status_code == 404


def test_a_page_has_its_limit(sign_in: SignIn) -> None:
    page = text(sign_in("province"), "/units/list/?psize_UnitView=1000000")
    assert page.count('data-href="/units/show/') <= 100


@pytest.mark.parametrize(
    "query",
    [
        "_oc_AccountView=password&_od_AccountView=asc",
        "_oc_AccountView=person.identity_hash&_od_AccountView=asc",
        "_flt_0_password=x",
        "_flt_2_session_stamp=1",
        "_flt_0_no_such=1",
        "_flt_99_first_name=a",
    ],
)
def test_hidden_columns_answer_no_question(sign_in: SignIn, query: str) -> None:
    """The same page as without: neither an order nor a filter by them."""
    client = sign_in("nmdesign")
    assert shown(text(client, f"/accounts/list/?{query}")) == shown(text(client, "/accounts/list/"))


def shown(page: str) -> list[str]:
    """The records of a list page, in its order."""
    return [part.partition('"')[0] for part in page.split('data-href="')[1:]]


def test_prefill_is_no_way_into_another_unit(sign_in: SignIn, foreign: Unit) -> None:
    answer = sign_in("nmdesign").get(f"/units/add?_flt_0_parent={foreign.id}")
    assert "植入单位名" not in answer.get_data(as_text=True)


def test_no_table_is_served_by_a_rest_api(session_app: Flask) -> None:
    """Tables by REST would ask the guard by `ScopedInterface`; today there is none at all: no
    `_info`, no `columns`, no `keys`."""
    views = session_app.extensions["appbuilder"].baseviews
    assert [type(view).__name__ for view in views if isinstance(view, ModelRestApi)] == []


@pytest.mark.parametrize("path", ["/api/v1/unit/_info", "/api/v1/unit/?q=(columns:!(code))"])
def test_stock_rest_addresses_are_not_there(sign_in: SignIn, path: str) -> None:
    assert sign_in("province").get(path).status_code == 404


# --------------------------------------------------------------------------- fields


def test_a_hidden_cell_reads_so_in_the_list(sign_in: SignIn, foreign: Unit, narrow: None) -> None:
    client = sign_in("nmdesign")
    page = text(client, "/units/list/?psize_UnitView=100")
    assert "植入单位名" in page
    assert "无权查看" in page
    assert foreign.code not in page
    # the box looks at name, initials and code together: it answers where all three are seen
    assert "/units/show/" not in text(client, "/units/list/?_flt_0_name=植入")


def test_a_hidden_value_is_not_found_by_the_filter(
    sign_in: SignIn, account: Find, foreign: Unit, narrow: None
) -> None:
    """Level and division of the foreign unit are hidden: a filter on them answers for the own
    unit alone."""
    own = account("nmdesign").unit
    assert own is not None
    client = sign_in("nmdesign")
    found = shown(text(client, f"/units/list/?_flt_0_division={foreign.division_code}"))
    assert f"/units/show/{foreign.id}" not in found
    assert set(found) <= {f"/units/show/{own.id}"}


def test_a_hidden_value_is_not_found_by_the_picker(
    sign_in: SignIn, foreign: Unit, narrow: None
) -> None:
    client = sign_in("nmdesign")
    assert client.get(f"/lookup/unit?q={foreign.code}").get_json() == []


def test_a_hidden_value_has_no_place_in_the_order(
    sign_in: SignIn, account: Find, foreign: Unit, narrow: None
) -> None:
    """Sorted by code, the own unit stands first both ways: the others' codes do not count."""
    own = account("nmdesign").unit
    assert own is not None
    client = sign_in("nmdesign")
    for direction in ("asc", "desc"):
        page = text(client, f"/units/list/?_oc_UnitView=code&_od_UnitView={direction}")
        assert shown(page)[0] == f"/units/show/{own.id}"


def test_the_record_covers_hidden_fields(sign_in: SignIn, foreign: Unit, narrow: None) -> None:
    page = text(sign_in("nmdesign"), f"/units/show/{foreign.id}")
    assert "植入单位名" in page
    assert foreign.code not in page
    assert "无权查看" in page


def test_administrators_do_not_see_who_answers_the_telephone(
    sign_in: SignIn, foreign: Unit
) -> None:
    foreign.contact_name, foreign.contact_phone_mask = "植入联系人", "0851-7777"
    db.session.commit()
    for name in ("sysadmin", "security", "auditor"):
        page = text(sign_in(name), f"/units/show/{foreign.id}")
        assert "植入单位名" in page
        assert "植入联系人" not in page
        assert "0851-7777" not in page
    assert "植入联系人" in text(sign_in("province"), f"/units/show/{foreign.id}")


def test_a_field_that_is_not_granted_is_not_written(
    app: Flask, monkeypatch: pytest.MonkeyPatch, account: Find
) -> None:
    """A post that carries a hidden field is refused by the flush, whatever the form did."""
    own = account("nmdesign").unit
    assert own is not None
    actor = Actor(1, "x", frozenset({R.UNIT_ADMIN}), own.id, own.path)
    granted = Grant(
        R.UNIT_ADMIN,
        Unit,
        frozenset({Action.EDIT}),
        scope.Scope(scope.Reach.OWN_UNIT, holds=lambda a, row: row.id == a.unit_id),
        only("address"),
    )
    monkeypatch.setitem(GRANTS, Unit, [granted])
    monkeypatch.setattr(scope, "current_actor", lambda: actor)
    with app.test_request_context():
        own.address = "新地址"
        db.session.flush()
        own.contact_phone_mask = "0851-1"
        with pytest.raises(ScopeError):
            db.session.flush()
        db.session.rollback()


# --------------------------------------------------------------------------- one role, one page


def test_rows_of_one_role_do_not_show_on_the_screen_of_another(
    app: Flask, sign_in: SignIn, account: Find, foreign: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor's rows do not come into the unit's list, though the account holds both."""
    monkeypatch.setitem(
        GRANTS,
        Unit,
        [
            Grant(R.UNIT_ADMIN, Unit, READING, subtree(Unit.id)),
            Grant(R.SUPERVISOR, Unit, READING, EVERYTHING),
        ],
    )
    found = account("nmdesign")
    found.roles = [*found.roles, app.extensions["appbuilder"].sm.find_role("supervisor")]
    db.session.commit()
    client = sign_in("nmdesign")

    assert "植入单位名" not in text(client, "/units/list/?_flt_0_name=植入")
    assert client.get(f"/units/show/{foreign.id}").status_code == 404


# --------------------------------------------------------------------------- no view forgets


def test_every_table_view_is_one_of_ours(session_app: Flask) -> None:
    views = [
        view
        for view in session_app.extensions["appbuilder"].baseviews
        if getattr(view, "datamodel", None) is not None
    ]
    assert len(views) > 25
    for view in views:
        assert isinstance(view, PortalModelView), type(view).__name__
        assert isinstance(view.datamodel, ScopedInterface), type(view).__name__
        assert view.datamodel.obj in GRANTS, type(view).__name__


GUARDING = ("_cells", "get_values", "get_values_item", "_scoped", "apply_filters", "query", "get")


def test_no_data_model_takes_the_guard_off(session_app: Flask) -> None:
    """A subclass of the scoped data model overrides nothing that guards."""
    for view in session_app.extensions["appbuilder"].baseviews:
        interface = type(getattr(view, "datamodel", None))
        for base in interface.__mro__:
            if issubclass(base, ScopedInterface) and base is not ScopedInterface:
                assert set(vars(base)) & {*GUARDING} == set(), base.__name__


def calls_in(path: Path) -> Iterator[tuple[str, int]]:
    """Calls like `self.datamodel.get(…)` and `super()._show(…)` in a module, with their line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Attribute) and owner.attr == "datamodel":
                yield f"datamodel.{node.func.attr}", node.lineno


THROUGH_CELLS = {"audit.py datamodel.query"}
"""Exports that take the rows of the list from the data model and their values from `cells()`."""


def test_no_view_loads_a_row_behind_the_guard() -> None:
    """Pages get their record from `_readable()`, which covers hidden fields; only base.py and the
    picker's field ask the data model."""
    found = {
        f"{path.name} {name}"
        for path in VIEWS.glob("*.py")
        for name, _line in calls_in(path)
        if name in {"datamodel.get", "datamodel.query"} and path.name != "base.py"
    }
    assert found == THROUGH_CELLS


@pytest.mark.parametrize("method", ["_list", "_show", "_edit", "_add", "action", "action_post"])
def test_no_view_overrides_what_guards(session_app: Flask, method: str) -> None:
    """Those of PortalModelView alone; a view that must change one calls super()."""
    for view in session_app.extensions["appbuilder"].baseviews:
        if isinstance(view, PortalModelView):
            own = [c for c in type(view).__mro__ if method in vars(c)]
            assert own[0] in {PortalModelView, *PortalModelView.__mro__}, type(view).__name__


def test_readable_is_extended_never_replaced(session_app: Flask) -> None:
    for view in session_app.extensions["appbuilder"].baseviews:
        for cls in type(view).__mro__:
            function = vars(cls).get("_readable")
            if function is not None and cls is not PortalModelView:
                assert "super" in function.__code__.co_names, cls.__name__


# --------------------------------------------------------------------------- cost


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    """What is sent to the database."""
    seen: list[str] = []

    def note(_c: Any, _cu: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(db.engines[None], "before_cursor_execute", note)
    yield seen
    event.remove(db.engines[None], "before_cursor_execute", note)


def test_permissions_are_one_query_a_request(sign_in: SignIn, statements: list[str]) -> None:
    client = sign_in("nmdesign")
    client.get("/units/list/")
    statements.clear()
    text(client, "/units/list/")
    assert len([s for s in statements if "ab_permission_view_role" in s]) == 1


def test_a_list_costs_one_query_more_where_cells_differ(
    sign_in: SignIn, statements: list[str], request: pytest.FixtureRequest
) -> None:
    """And none more where every row shows the same fields."""
    client = sign_in("nmdesign")
    client.get("/units/list/")
    statements.clear()
    text(client, "/units/list/")
    plain = len(statements)
    request.getfixturevalue("narrow")
    statements.clear()
    text(client, "/units/list/")
    with_cells = [s for s in statements if "grant_0" in s]
    assert len(with_cells) == 1
    assert len([s for s in statements if "grant_" not in s]) <= plain + 3  # more rows, their labels
