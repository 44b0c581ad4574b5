"""What every view of the portal derives from: FAB's engine with scope, limits and kept forms."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from flask import abort, flash, g, has_request_context, request
from flask_appbuilder import BaseView, ModelView
from flask_appbuilder.baseviews import expose
from flask_appbuilder.fields import QuerySelectField
from flask_appbuilder.urltools import (
    get_filter_args,
    get_order_args,
    get_page_args,
    get_page_size_args,
)
from flask_babel import gettext as _
from sqlalchemy.exc import IntegrityError
from werkzeug.datastructures import ImmutableMultiDict
from wtforms import validators
from wtforms.fields.choices import Choice

from app.domain.errors import DomainError
from app.domain.workflow import ActorRole
from app.extensions import db
from app.messages import explain
from app.security.actors import current_actor
from app.security.guard import Action as Access
from app.security.guard import field_names, veil, visible_fields
from app.security.guard import may as may_do
from app.security.scope import ScopedInterface, ScopeError, is_written_by_hand
from app.security.veil import formatted, unveiled
from app.views.instant_filters import PortalFilterConverter
from app.views.widgets import PortalModelConverter, PortalSearchWidget

log = logging.getLogger(__name__)

ALL = frozenset({"*"})
"""Grant every permission of a view."""

READ = frozenset({"can_list", "can_show"})
EDIT = READ | {"can_add", "can_edit"}

Grants = Mapping[ActorRole, frozenset[str]]
MAX_PAGE_SIZE = 100
MAX_KEY_DIGITS = 9


def is_key(text: str) -> bool:
    """Whether a text from the address can be a number the database keeps as a key."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_KEY_DIGITS


class LookupField(QuerySelectField):
    """A many-to-one choice that asks the server instead of loading the table; the posted key is
    read in scope."""

    def __init__(
        self, label: Any = None, validators: Any = None, datamodel: Any = None, **kwargs: Any
    ) -> None:
        kwargs.setdefault("query_func", list)
        super().__init__(label, validators, get_pk_func=datamodel.get_pk_value, **kwargs)
        self.datamodel = datamodel
        self.render_kw: dict[str, Any] = {
            "data-lookup": f"/lookup/{datamodel.obj.__tablename__}",
        }

    def _get_object_list(self) -> list[tuple[str, Any]]:
        posted = self._formdata
        if posted:
            found = self.datamodel.get(posted) if is_key(str(posted)) else None
            return [(str(posted), found)] if found is not None else []
        if self._data is not None:
            return [(str(self.datamodel.get_pk_value(self._data)), self._data)]
        return []

    def iter_choices(self) -> Any:
        chosen = self.data
        if chosen is not None:
            yield Choice(str(self.datamodel.get_pk_value(chosen)), str(chosen), True, {})


class PortalConverter(PortalModelConverter):
    """Forms from models, with look-up fields for relations and no default choice."""

    def _convert_many_to_one(
        self,
        col_name: str,
        label: Any,
        description: Any,
        lst_validators: Any,
        filter_rel_fields: Any,
        form_props: dict[str, Any],
    ) -> dict[str, Any]:
        nullable = self.datamodel.is_nullable(col_name)
        needed = validators.Optional() if nullable else validators.DataRequired()
        form_props[col_name] = LookupField(
            label,
            description=description,
            validators=[*lst_validators, needed],
            allow_blank=True,
            datamodel=self.datamodel.get_related_interface(col_name),
        )
        return form_props


class PortalView(BaseView):
    """A page of our own. `grants` says which roles get which of its permissions at `flask init`."""

    grants: ClassVar[Grants] = {}

    def answer(self, form: Any, work: Callable[[], Any], template: str, **context: Any) -> Any:
        """Show a form; run `work` when it is posted and valid; refusals stand on top of it."""
        status = 200
        if request.method == "POST":
            status = 422
            if form.validate():
                try:
                    return work()
                except DomainError as error:
                    form.refuse(explain(error))
                    status = error.http_status
        return self.render_template(template, form=form, **context), status


class PortalModelView(ModelView):
    """A screen over a table: scoped, paged, with every POST checked and no typed form lost."""

    grants: ClassVar[Grants] = {}
    exclude_route_methods: ClassVar[set[str]] = {"download"}
    base_order: Any = ("id", "desc")
    page_size = 20
    search_widget = PortalSearchWidget
    search_columns: ClassVar[list[str]] = []
    order_columns: ClassVar[list[str]] = []
    search_form: Any = None
    add_form: Any = None
    edit_form: Any = None
    add_form_extra_fields: Any = None
    edit_form_extra_fields: Any = None

    # ---- forms

    def _init_forms(self) -> None:
        converter = PortalConverter(self.datamodel)
        self.search_form = self.search_form or converter.create_form(
            self.label_columns, self.search_columns, extra_fields=self.search_form_extra_fields
        )
        self.add_form = self.add_form or self._make_form(
            converter, self.add_columns, self.add_form_extra_fields
        )
        self.edit_form = self.edit_form or self._make_form(
            converter, self.edit_columns, self.edit_form_extra_fields
        )

    def _make_form(self, converter: Any, columns: list[str], extra: Any) -> Any:
        return converter.create_form(
            self.label_columns,
            columns,
            self.description_columns,
            self.validators_columns,
            extra,
        )

    def _init_properties(self) -> None:
        super()._init_properties()
        self.formatters_columns: dict[str, Any] = {
            name: formatted(formatter) for name, formatter in self.formatters_columns.items()
        }

    # ---- request-scoped filters: one instance serves all threads (FAB #2366)

    @property
    def _filters(self) -> Any:
        base = self.__dict__["_shared_filters"]
        if not has_request_context():
            return base
        own = g.setdefault("view_filters", {})
        if id(self) not in own:
            fresh = copy.copy(base)
            fresh.clear_filters()
            self.cut_filters(fresh)
            own[id(self)] = fresh
        return own[id(self)]

    @_filters.setter
    def _filters(self, value: Any) -> None:
        self.__dict__["_shared_filters"] = value

    def cut_filters(self, filters: Any) -> None:
        """Leave the filters the list offers in this request."""

    @property
    def _related_views(self) -> list[Any]:
        declared: list[Any] = self.__dict__.setdefault("_declared_related", [])
        if not has_request_context():
            return declared
        has_access = self.appbuilder.sm.has_access
        return [v for v in declared if has_access("can_list", v.class_permission_name)]

    @_related_views.setter
    def _related_views(self, value: Any) -> None:
        self.__dict__["_declared_related"] = value or []

    def get_init_inner_views(self) -> list[Any]:
        declared: list[Any] = self.__dict__.setdefault("_declared_related", [])
        return declared

    # ---- list arguments from the address: what is empty or cannot be used is left out

    def _list(self, **kwargs: Any) -> Any:
        given = list(request.args.items(multi=True))
        kept = [(name, value) for name, value in given if self._is_usable(name, value)]
        if kept != given:
            request.args = ImmutableMultiDict(kept)
        return super()._list(**kwargs)

    def _is_usable(self, name: str, value: str) -> bool:
        if "\0" in value:
            return False
        if name.startswith(("page_", "psize_")):
            return is_key(value)
        found = re.search(r"_flt_(\d+)_(.*)", name)
        if found is None:
            return True
        if not self.datamodel.may_ask(found[2]):
            return False
        filters = self._filters.get_search_filters().get(found[2], [])
        if not value.strip() or len(found[1]) > 1 or int(found[1]) >= len(filters):
            return False
        if self.datamodel.is_boolean(found[2]):
            return value in {"y", "n"}
        is_number = self.datamodel.is_relation(found[2]) or self.datamodel.is_integer(found[2])
        return is_key(value) if is_number else True

    def _get_list_widget(self, filters: Any, **kwargs: Any) -> Any:
        asked = kwargs.get("order_column") or ""
        if asked not in self.order_columns or not self.datamodel.may_ask(asked):
            kwargs["order_column"] = kwargs["order_direction"] = ""
        kwargs["page"] = max(kwargs.get("page") or 0, 0)
        size = kwargs.get("page_size") or self.page_size
        kwargs["page_size"] = max(1, min(size, MAX_PAGE_SIZE))
        return super()._get_list_widget(filters=filters, **kwargs)

    # ---- actions: POST only, and only on rows the actor reads

    @expose("/action/<string:name>/<pk>", methods=["POST"])
    def action(self, name: str, pk: str) -> Any:
        """Run a single action on one row."""
        self._require_action(name)
        return self.actions[name].func(self._readable(pk))

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """Run an action on the ticked rows."""
        name = request.form.get("action", "")
        self._require_action(name)
        keys = request.form.getlist("rowid")[:MAX_PAGE_SIZE]
        return self.actions[name].func([self._readable(key) for key in keys])

    def _require_action(self, name: str) -> None:
        if name not in self.actions:
            abort(404)
        permission = self.get_action_permission_name(name)
        if not self.appbuilder.sm.has_access(permission, self.class_permission_name):
            abort(403)

    def _readable(self, pk: str) -> Any:
        """The row, with the fields covered that the account may not see; 404 outside its scope.

        A page that changes a table with grants to write is refused (403) on rows outside those.
        """
        row = self.datamodel.get(self._typed_key(pk), self._base_filters)
        if row is None:
            abort(404)
        changes = self.datamodel.action is Access.ACT and is_written_by_hand(self.datamodel.obj)
        if changes and not may_do(current_actor(), Access.EDIT, row):
            abort(403)
        return veil(row, current_actor(), self.datamodel.action, is_in_scope=True)

    def _typed_key(self, pk: Any) -> Any:
        """A key of the column's own type; what cannot be one finds nothing."""
        if self.datamodel.is_pk_composite():
            return self._deserialize_pk_if_composite(pk)
        column = self.datamodel.get_pk()
        if "\0" in str(pk) or (column.type.python_type is int and not is_key(str(pk))):
            abort(404)
        return pk

    def _keep_granted(self, form: Any, action: Access, row_or_model: Any) -> None:
        """Take fields off a form that the account may not write, or may not see in this row."""
        actor = current_actor()
        hidden = frozenset[str]()
        if not isinstance(row_or_model, type):
            known = field_names(self.datamodel.obj)
            hidden = known - visible_fields(actor, Access.SHOW, row_or_model)
        for name in [field.name for field in form if field.name in field_names(self.datamodel.obj)]:
            if name in hidden or not may_do(actor, action, self.datamodel.obj, name):
                del form[name]

    # ---- saving: errors in words, what was typed is kept

    def _explain(self, error: Exception) -> str:
        chain = [error, error.__cause__, error.__context__]
        for link in chain:
            if isinstance(link, DomainError):
                return explain(link)
            if isinstance(link, ScopeError):
                return str(_("This lies outside your unit's scope. Choose a unit of your own."))
        if any(isinstance(link, IntegrityError) for link in chain):
            return str(
                _(
                    "Not saved: it repeats an existing entry or a required value is missing. "
                    "Check the entries."
                )
            )
        log.error("save failed", exc_info=error)
        return str(_("Not saved. Try again; if it fails again, tell the administrator."))

    def _add(self) -> Any:
        get_filter_args(self._filters, disallow_if_not_in_search=False)
        exclude_cols = self._filters.get_relation_cols()
        form = self.add_form.refresh()
        self._keep_granted(form, Access.ADD, self.datamodel.obj)
        if request.method == "POST":
            self._fill_form_exclude_cols(exclude_cols, form)
            if form.validate():
                self.process_form(form, True)
                row = self.datamodel.obj()
                try:
                    with db.session.no_autoflush:
                        form.populate_obj(row)
                        self.pre_add(row)
                    db.session.add(row)
                    db.session.commit()
                    self.post_add(row)
                except Exception as error:
                    db.session.rollback()
                    flash(self._explain(error), "danger")
                else:
                    flash(str(self.add_row_message), "success")
                    return None
        return self._get_add_widget(form=form, exclude_cols=exclude_cols)

    def _edit(self, pk: Any) -> Any:
        get_filter_args(self._filters, disallow_if_not_in_search=False)
        exclude_cols = self._filters.get_relation_cols()
        row = unveiled(self._readable(pk))
        pk = self.datamodel.get_pk_value(row)
        if request.method == "POST":
            form = self.edit_form.refresh(request.form)
            self._keep_granted(form, Access.EDIT, row)
            self._fill_form_exclude_cols(exclude_cols, form)
            form._id = pk
            if form.validate():
                self.process_form(form, False)
                try:
                    with db.session.no_autoflush:
                        form.populate_obj(row)
                        self.pre_update(row)
                    db.session.commit()
                    self.post_update(row)
                except Exception as error:
                    db.session.rollback()
                    flash(self._explain(error), "danger")
                    row = unveiled(self._readable(pk))
                else:
                    flash(str(self.edit_row_message), "success")
                    return None
        else:
            form = self.edit_form.refresh(obj=row)
            self._keep_granted(form, Access.EDIT, row)
            self.prefill_form(form, pk)
        widgets = self._get_edit_widget(form=form, exclude_cols=exclude_cols)
        return self._get_related_views_widgets(
            row,
            filters={},
            orders=get_order_args(),
            pages=get_page_args(),
            page_sizes=get_page_size_args(),
            widgets=widgets,
        )

    def _show(self, pk: Any) -> Any:
        return super()._show(self._typed_key(pk))


def scoped(model: type, *eager: str) -> ScopedInterface:
    """The data model of a screen, with the relations its list shows loaded per page."""
    interface = ScopedInterface(model)
    interface.filter_converter_class = PortalFilterConverter
    interface.eager = eager
    return interface
