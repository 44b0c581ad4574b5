"""A screen with its own record page, form pages and buttons, on top of FAB's list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from flask import flash, g, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from sqlalchemy.exc import IntegrityError

from app import clock
from app.domain.errors import DomainError, NotPermittedError
from app.extensions import unit_of_work
from app.messages import explain
from app.security.actors import current_actor
from app.services.actors import Actor
from app.views.base import PortalConverter, PortalModelView
from app.views.forms import PortalForm, ReasonForm
from app.views.labels import name_of
from app.views.screens import custom_forms
from app.views.screens import shape_checks as _shape_checks  # noqa: F401
from app.views.screens.form_shape import shape_form
from app.views.screens.shape import built_in, facts_of, register_screen, shape_of

T = TypeVar("T")
UNUSED = frozenset({"download", "delete", "action", "action_post"})
"""Routes of FAB that no record screen offers; rows are closed with a reason, never deleted."""


class RecordView(PortalModelView):
    """List by FAB; show, forms and buttons by the portal's own templates."""

    exclude_route_methods: ClassVar[set[str]] = {*UNUSED, "add", "edit"}
    record_template = "master/record.html"
    screen_key: ClassVar[str] = ""
    """The definition that shapes this screen (`views/screens/shape.py`); none for a fixed one."""
    shaped_forms: ClassVar[tuple[type[PortalForm], ...]] = ()
    """The forms the definition shapes."""
    fixed_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields every reader of a row sees: they name it or decide what its page offers."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "screen_key" in cls.__dict__:
            register_screen(cls)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._is_ready = True

    def make_search_form(self, names: list[str], extra: Mapping[str, Any]) -> Any:
        """A form class for the filter bar of these columns."""
        converter = PortalConverter(self.datamodel)
        return converter.create_form(built_in(self, "label_columns"), names, extra_fields={**extra})

    def cut_filters(self, filters: Any) -> None:
        """Leave the filters the definition offers."""
        shape = shape_of(self) if self.screen_key else None
        if shape is not None:
            filters._search_filters = dict(shape.filters)
            filters._all_filters = {**filters._all_filters, **shape.filters}

    def _readable(self, pk: str) -> Any:
        row = super()._readable(pk)
        g.setdefault("records_read", {})[self.screen_key] = row
        return row

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return current_actor()

    @expose("/show/<pk>", methods=["GET"])
    @has_access
    def show(self, pk: str) -> Any:
        """The page of one record: facts, what belongs to it, buttons."""
        row = self._readable(pk)
        self.update_redirect()
        return self.render_template(
            self.record_template,
            row=row,
            title=self.record_title(row),
            facts=[*self.facts(row), *(facts_of(self, row) if self.screen_key else ())],
            actions=self.page_actions(row),
            **self.record_context(row),
        )

    def record_title(self, row: Any) -> str:
        """The heading of the record page."""
        return str(row)

    def facts(self, _row: Any) -> list[tuple[Any, Any]]:
        """(label, value) pairs of the record page that no definition of the screen names."""
        return []

    def record_values(self, _row: Any) -> Mapping[str, Any]:
        """What the record page shows for fields of the definition, where that is not the value of
        the column in words; LEFT_OUT for what this record does not have."""
        return {}

    def page_actions(self, _row: Any) -> list[dict[str, Any]]:
        """Buttons of the record page, as the macro page_header takes them."""
        return []

    def record_context(self, _row: Any) -> Mapping[str, Any]:
        """What else the template of the record page shows."""
        return {}

    # ---- building addresses and buttons

    def path(self, name: str, pk: Any = None) -> str:
        """The address of one of this view's pages."""
        return f"{self.route_base}/{name}" + ("" if pk is None else f"/{pk}")

    def may(self, permission: str) -> bool:
        """Whether the account has a permission on this view."""
        return bool(self.appbuilder.sm.has_access(permission, self.class_permission_name))

    def link(self, name: str, pk: Any, label: Any, **more: Any) -> list[dict[str, Any]]:
        """A button to a form page, if the account may open it; as a list to be joined."""
        return (
            [{"label": label, "url": self.path(name, pk), **more}]
            if self.may(f"can_{name}")
            else []
        )

    def button(
        self, name: str, row: Any, label: Any, confirm: Any = "", **more: Any
    ) -> list[dict[str, Any]]:
        """A button that posts, with the version of the row the page shows."""
        if not self.may(f"can_{name}"):
            return []
        fields = {"expected_version": getattr(row, "version", 0)}
        url = self.path(name, row.id)
        return [
            {
                "label": label,
                "url": url,
                "method": "post",
                "confirm": confirm,
                "fields": fields,
                **more,
            }
        ]

    # ---- form pages and posts

    def answer_form(
        self,
        form: PortalForm,
        title: Any,
        work: Callable[[], T],
        done: Callable[[T], Any],
        *,
        template: str = "master/form.html",
        **context: Any,
    ) -> Any:
        """Show a form; when it is posted and valid, run `work` in one transaction, then `done`.

        A refusal comes back with its status, on top of the form, with all that was typed.
        """
        status = 200
        row = g.get("records_read", {}).get(self.screen_key) if self.screen_key else None
        if self.screen_key:
            context["parts"] = shape_form(self, form, row)
        if request.method == "POST":
            status = 422
            if form.validate():
                try:
                    with unit_of_work():
                        result = work()
                        self._save_custom(form, result, row)
                except DomainError as error:
                    form.refuse(explain(error))
                    status = error.http_status
                except IntegrityError:
                    form.refuse(
                        _("Not saved: somebody has entered the same at this moment. Look again.")
                    )
                    status = 409
                else:
                    return done(result)
        context.setdefault("back", self.path("list/"))
        page = self.render_template(template, form=form, title=title, **context)
        return page, status

    def answer_reason(
        self,
        row: Any,
        title: Any,
        work: Callable[..., T],
        done: Callable[[T], Any] | None = None,
        **context: Any,
    ) -> Any:
        """Ask for nothing but a reason, and run `work` with it on the version the page shows; then
        `done`, or back to the record with the name of its new state."""
        form = ReasonForm(data={"expected_version": row.version})
        now = clock.now()
        page = self.path("show", row.id)
        return self.answer_form(
            form,
            title,
            lambda: work(
                row.id,
                form.reason.data,
                expected_version=form.version,
                actor=self.actor,
                now=now,
            ),
            done or (lambda changed: self.saved(name_of(changed.state), page)),  # type: ignore[attr-defined]
            submit_label=title,
            **{"lead": self.record_title(row), "back": page, **context},
        )

    def _save_custom(self, form: PortalForm, result: Any, row: Any) -> None:
        """Write the custom fields of a form into the record its service has saved."""
        saved = result if isinstance(result, self.datamodel.obj) else row
        if saved is not None and custom_forms.controls_of(form):
            custom_forms.save(form, saved, actor=self.actor, now=clock.now())

    def perform(self, work: Callable[[], object], message: Any, target: str) -> Any:
        """Run a button's work in one transaction; success and refusal both lead back in words."""
        try:
            with unit_of_work():
                work()
        except NotPermittedError:
            raise
        except DomainError as error:
            flash(explain(error), "danger")
        else:
            flash(str(message), "success")
        return redirect(target, 303)

    def saved(self, message: Any, target: str) -> Any:
        """Say what has been done and go on."""
        flash(str(message), "success")
        return redirect(target, 303)
