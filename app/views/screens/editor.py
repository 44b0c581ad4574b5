"""界面配置: all definitions, and the editor of one screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import current_app, flash, redirect, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from app import clock
from app.domain.errors import DomainError, RuleViolation
from app.domain.layers import unflatten
from app.domain.messages import N_
from app.domain.workflow import ActorRole as R
from app.extensions import db, unit_of_work
from app.messages import explain
from app.models import Account, DefinitionDraft, DefinitionVersion, ShippedDefinition
from app.security.actors import current_actor
from app.services.definitions import editing, store
from app.services.definitions.differences import describe_differences
from app.services.definitions.properties import (
    COLUMN_KINDS,
    FIELD_KIND_LABELS,
    FORM,
    RECORD,
    SCREEN_KIND_LABELS,
    SHEET,
    name_property,
)
from app.services.definitions.schemas import InvalidDefinitionError
from app.services.form_definition import MATERIALS, PLEDGE
from app.views.base import ALL, PortalView
from app.views.forms import posted_version
from app.views.labels import choices_of
from app.views.menu import add_screen
from app.views.screens import editor_versions, preview
from app.views.screens.panel import ROLES, draw_panel, label_at, read_panel
from app.views.screens.picture import draw_picture
from app.views.screens.places import crumbs_to, edit_url
from app.views.screens.words import name_of_item

READERS = frozenset({"can_list", "can_edit", "can_look"})
FOCI = frozenset({"list", "up", "down", "panel"})


class ScreenEditorView(PortalView):
    """Pages to look at and change the draft of a screen; every change is a POST of one step."""

    route_base = "/screens"
    default_view = "list"
    class_permission_name = "ScreenEditorView"
    grants = {R.SYSTEM_ADMIN: ALL, R.PROVINCE_HRSS: ALL, R.AUDIT_ADMIN: READERS}

    # ---- looking

    @expose("/")
    @has_access
    def list(self) -> Any:
        """All definitions: the version in force, the open draft, the ways on."""
        return self.render_template(
            "screens/list.html", title=_("Screens and forms"), rows=list_definitions()
        )

    @expose("/edit/<key>")
    @has_access
    def edit(self, key: str) -> Any:
        """The screen as it will look, its fields, and the panel of the one that is chosen."""
        return self._page(editing.take_up(key), request.args.get("at", ""))

    @expose("/look/<key>")
    @has_access
    def look(self, key: str) -> Any:
        """The drafted screen as a role sees it, with sample values: form, list, record page."""
        work = editing.take_up(key)
        role = request.args.get("role", R.APPLICANT.value if work.kind == FORM else R.HRSS.value)
        chosen = R(role) if role in {each.value for each in ROLES} else R.HRSS
        definition = unflatten(work.flat)
        return self.render_template(
            "screens/look.html",
            title=_("Preview: %(screen)s", screen=name_of_item(definition)),
            key=key,
            picture=draw_picture(definition, chosen),
            role=chosen.value,
            roles=choices_of(ROLES),
            real_page=real_page(self.appbuilder, key),
            may_try=self.may("can_begin_preview"),
            crumbs=crumbs_to(name_of_item(definition), key, _("Preview")),
        )

    # ---- changing

    @expose("/set/<key>", methods=["POST"])
    @has_access
    def set_properties(self, key: str) -> Any:
        """Take over what was typed into the panel."""
        work, at = editing.take_up(key), request.form.get("at", "")
        typed, errors = read_panel(work, at, request.form)
        if errors:
            return self._page(work, at, errors=errors, status=422)
        path = at

        def edit(now_work: editing.Workpiece) -> editing.Edit:
            nonlocal path
            found = editing.set_properties(now_work, at, typed)
            name = request.form.get("field_name", "").strip()
            if name and name != at.rpartition("/")[2]:
                renamed = editing.rename_field(now_work, at, name)
                path = f"{at.rpartition('/')[0]}/{name}"
                found = _renamed(found, renamed, at, path)
            return found

        return self._change(key, at, edit, lambda: (path, "panel"))

    @expose("/texts/<key>", methods=["POST"])
    @has_access
    def set_texts(self, key: str) -> Any:
        """Take over the texts of a sheet; an emptied one goes back to its default."""
        typed = {
            name.removeprefix("text:"): value.replace("\0", "").strip()
            for name, value in request.form.items()
            if name.startswith("text:")
        }
        return self._change(
            key, "", lambda work: editing.set_texts(work, typed), lambda: ("", "panel")
        )

    @expose("/reset/<key>", methods=["POST"])
    @has_access
    def reset(self, key: str) -> Any:
        """Set one property, or all of an item, back to the default of the layer below."""
        at, name = request.form.get("at", ""), request.form.get("property", "")
        names = [name] if name else []
        return self._change(
            key, at, lambda work: editing.reset_properties(work, at, names), lambda: (at, "panel")
        )

    @expose("/move/<key>", methods=["POST"])
    @has_access
    def move(self, key: str) -> Any:
        """Move an item up or down, in front of another one, or to another section."""
        at = request.form.get("at", "")
        section, way = request.form.get("section", ""), request.form.get("way", "")
        focus = request.form.get("focus", "")

        def edit(work: editing.Workpiece) -> editing.Edit:
            if section:
                return editing.move_to_section(work, at, section)
            if way in {"up", "down"}:
                return editing.shift_item(work, at, -1 if way == "up" else 1)
            return editing.move_item(work, at, request.form.get("before", ""))

        return self._change(key, at, edit, lambda: (at, focus if focus in FOCI else "list"))

    @expose("/add/<key>", methods=["POST"])
    @has_access
    def add_field(self, key: str) -> Any:
        """Add a field of the province to a section, or a column to a field of rows."""
        parent = request.form.get("at", "")
        made = parent

        def edit(work: editing.Workpiece) -> editing.Edit:
            nonlocal made
            found = editing.add_field(
                work, parent, request.form.get("kind", ""), request.form.get("new_label", "")
            )
            made = editing.new_item(found)
            return found

        return self._change(key, parent, edit, lambda: (made, "panel"))

    @expose("/retire/<key>", methods=["POST"])
    @has_access
    def retire(self, key: str) -> Any:
        """Take a field off the screen; its data is kept."""
        at = request.form.get("at", "")

        def place() -> tuple[str, str]:
            kept = editing.exists(editing.take_up(key), at)
            return (at if kept else at.rpartition("/")[0].rpartition("/")[0], "panel")

        return self._change(key, at, lambda work: editing.retire_field(work, at), place)

    @expose("/restore/<key>", methods=["POST"])
    @has_access
    def restore(self, key: str) -> Any:
        """Show a retired or hidden field again."""
        at = request.form.get("at", "")
        return self._change(
            key, at, lambda work: editing.restore_field(work, at), lambda: (at, "panel")
        )

    # ---- preview on real pages

    @expose("/begin_preview/<key>", methods=["POST"])
    @has_access
    def begin_preview(self, key: str) -> Any:
        """Show the draft on real pages to this session alone."""
        role = request.form.get("role", "")
        work = editing.take_up(key)
        target = real_page(self.appbuilder, key)
        if role not in {each.value for each in ROLES} or not target:
            flash(_("This screen has no page to try out. Use the preview here."), "danger")
            return redirect(url_for("ScreenEditorView.look", key=work.key), 303)
        preview.begin(key, R(role))
        return redirect(target, 303)

    @expose("/end_preview", methods=["POST"])
    @has_access
    def end_preview(self) -> Any:
        """Show what is in force again."""
        key = preview.present()
        preview.end()
        flash(_("The preview has ended."), "success")
        if key is None:
            return redirect(url_for("ScreenEditorView.list"), 303)
        return redirect(url_for("ScreenEditorView.look", key=key[0], role=key[1].value), 303)

    # ---- together

    def may(self, permission: str) -> bool:
        """Whether the account has a permission on this view."""
        return bool(self.appbuilder.sm.has_access(permission, self.class_permission_name))

    def _change(
        self,
        key: str,
        at: str,
        edit: Callable[[editing.Workpiece], editing.Edit],
        place: Callable[[], tuple[str, str]],
    ) -> Any:
        """One step of the editor in one transaction; a refusal comes back with what was typed."""
        now = clock.now()
        try:
            with unit_of_work():
                found = edit(editing.take_up(key))
                if found:
                    store.change_draft(
                        key,
                        found.values,
                        reset=found.reset,
                        expected_version=posted_version(),
                        actor=current_actor(),
                        now=now,
                    )
        except InvalidDefinitionError:
            db.session.expire_all()
            refused = explain(RuleViolation(NOT_ALLOWED))
            return self._page(editing.take_up(key), at, refused=refused, status=422)
        except DomainError as error:
            db.session.expire_all()
            status = error.http_status
            return self._page(editing.take_up(key), at, refused=explain(error), status=status)
        target, focus = place()
        flash(_("Kept in the draft.") if found else _("Nothing has changed."), "success")
        return redirect(edit_url(key, target, focus), 303)

    def _page(
        self,
        work: editing.Workpiece,
        at: str,
        *,
        errors: Mapping[str, str] | None = None,
        refused: str = "",
        status: int = 200,
    ) -> Any:
        flat, key = work.flat, work.key
        definition = unflatten(flat)
        at = _chosen(work, at)
        posted = request.form if request.form.getlist("shown") else None
        draft = store.draft_of(key)
        count = len(describe_differences(store.current(key), definition)) if draft else 0
        page = self.render_template(
            "screens/edit.html",
            title=name_of_item(definition),
            key=key,
            work=work,
            at=at,
            picture=draw_picture(definition),
            section=section_shown(work, at),
            item=_item(work, at),
            panel=draw_panel(work, at, posted, errors) if work.kind != SHEET or not at else [],
            texts=_texts(work) if work.kind == SHEET else [],
            refused=refused,
            errors=errors or {},
            posted=posted,
            changes=count,
            focus=request.args.get("focus", ""),
            may_change=self.may("can_set_properties"),
            kinds=_kinds(work, at),
            crumbs=crumbs_to(name_of_item(definition), key),
        )
        return page, status


NOT_ALLOWED = N_("This value cannot stand in the definition. Correct it and save again.")


def real_page(appbuilder: Any, key: str) -> str:
    """The address of the list a record screen shapes; empty when there is none to open."""
    for view in appbuilder.baseviews:
        if getattr(view, "screen_key", "") != key or not hasattr(view, "list"):
            continue
        if appbuilder.sm.has_access("can_list", view.class_permission_name):
            return f"{view.route_base}/list/"
    return ""


def list_definitions() -> list[dict[str, Any]]:
    """Every definition with its version in force and its draft; three queries in all."""
    highest = (
        select(DefinitionVersion.key, func.max(DefinitionVersion.number).label("number"))
        .where(DefinitionVersion.scope == "")
        .group_by(DefinitionVersion.key)
        .subquery()
    )
    newest = {
        version.key: version
        for version in db.session.scalars(
            select(DefinitionVersion).join(
                highest,
                (highest.c.key == DefinitionVersion.key)
                & (highest.c.number == DefinitionVersion.number)
                & (DefinitionVersion.scope == ""),
            )
        )
    }
    drafts = {
        draft.key: (draft, name)
        for draft, name in db.session.execute(
            select(DefinitionDraft, Account.first_name)
            .outerjoin(Account, Account.id == DefinitionDraft.changed_by_id)
            .where(DefinitionDraft.scope == "")
        )
    }
    shipped = db.session.execute(
        select(ShippedDefinition.key, ShippedDefinition.kind).order_by(ShippedDefinition.key)
    )
    rows = [
        {
            "key": key,
            "label": name_of_item(newest[key].definition),
            "kind": _(SCREEN_KIND_LABELS[kind]) if kind in SCREEN_KIND_LABELS else kind,
            "order": [*SCREEN_KIND_LABELS].index(kind) if kind in SCREEN_KIND_LABELS else 9,
            "version": newest[key],
            "draft": drafts.get(key, (None, ""))[0],
            "by": drafts.get(key, (None, ""))[1],
        }
        for key, kind in shipped
        if key in newest
    ]
    return sorted(rows, key=lambda row: (row["order"], row["label"]))


def _renamed(found: editing.Edit, renamed: editing.Edit, old: str, new: str) -> editing.Edit:
    """What was set on an item together with its new name."""
    values = {
        path.replace(old, new, 1) if path.startswith(f"{old}/") else path: value
        for path, value in found.values.items()
    }
    dropped = {path.replace(old, new, 1) for path in found.reset}
    kept = {
        path: value
        for path, value in renamed.values.items()
        if not any(path == each or path.startswith(f"{each}/") for each in dropped)
    }
    return editing.Edit({**kept, **values}, renamed.reset)


def _chosen(work: editing.Workpiece, at: str) -> str:
    """The item an address names, or the nearest one around it; "" for the screen itself."""
    found = editing.item_of(at) if at and len(at) < 400 else ""
    while found and not editing.exists(work, found):
        found = editing.item_of(found.rpartition("/")[0].rpartition("/")[0])
    return found


def section_shown(work: editing.Workpiece, at: str) -> str:
    """The part of a form the middle shows; "" for a record screen, which shows all."""
    if work.kind == RECORD:
        return ""
    if at.startswith("sections/"):
        return at.split("/")[1]
    keys = editing.list_keys(work.flat, "sections")
    return keys[0] if keys else ""


def _item(work: editing.Workpiece, at: str) -> dict[str, Any]:
    """What the panel says about the chosen item besides its properties."""
    flat = work.flat
    label = label_at(flat, at) if at else name_of_item(flat)
    kind = str(flat.get(f"{at}/kind", "")) if at else ""
    is_field = bool(at) and not editing.is_section(at)
    custom = bool(at) and editing.is_custom(work, at)
    return {
        "label": label,
        "kind": _(FIELD_KIND_LABELS[kind]) if is_field and kind in FIELD_KIND_LABELS else "",
        "is_field": is_field,
        "is_section": bool(at) and not is_field,
        "is_column": editing.is_column(at),
        "is_rows": kind == "rows" and is_field,
        "is_custom": custom,
        "name": at.rpartition("/")[2],
        "can_rename": custom and is_field and not editing.is_published(work, at),
        "is_gone": bool(flat.get(f"{at}/is_retired") or flat.get(f"{at}/is_hidden")),
        "is_needed": is_field and editing.is_needed(work, at),
        "needed": _(editing.PROCESS_NEEDS),
        "fixed_sections": _(editing.FIXED_SECTIONS) if work.kind == FORM else "",
        "can_reset": bool(at)
        and not custom
        and any(path.startswith(f"{at}/") for path in work.changes),
        "section": flat.get(f"{at}/moved_to") or (at.split("/")[1] if "/" in at else ""),
    }


def _texts(work: editing.Workpiece) -> list[tuple[str, str, str, str, bool]]:
    """(path, label, present text, default, is own) of every text of a sheet."""
    flat = work.flat
    return [
        (
            path,
            _text_label(work, path),
            request.form.get(f"text:{path}", str(flat[path] or "")),
            str(work.below.get(path) or ""),
            path in work.changes,
        )
        for path in work.below
        if path not in {"key", "kind"} and isinstance(work.below[path], str)
    ]


def _text_label(work: editing.Workpiece, path: str) -> str:
    """What a text of a sheet is: its property, or for a head the text as delivered."""
    if path.startswith("headings/"):
        return _("Head “%(text)s”", text=work.below[path])
    return str(_(name_property(path)))


def _kinds(work: editing.Workpiece, at: str) -> list[tuple[str, str]]:
    """The kinds a new field or column may have; empty where none can be added."""
    if work.kind == FORM and at.startswith(("sections/" + PLEDGE, "sections/" + MATERIALS)):
        return []
    if not at and work.kind != RECORD and not work.flat.get("sections"):
        return []
    is_rows = work.flat.get(f"{at}/kind") == "rows" if at else False
    names = COLUMN_KINDS if is_rows else [*FIELD_KIND_LABELS]
    return [(kind, _(FIELD_KIND_LABELS[kind])) for kind in names]


def register(appbuilder: Any) -> None:
    """Add the screens."""
    add_screen(
        appbuilder,
        ScreenEditorView,
        "Screens and forms",
        label=_l("Screens and forms"),
        category="screens",
        href="ScreenEditorView.list",
        icon="layout-dashboard",
    )
    editor_versions.register(appbuilder)
    app = current_app
    app.before_request(preview.refuse_writing)
    app.context_processor(preview.banner)
