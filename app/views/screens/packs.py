"""配置包: the configuration as a file - export, dry run, import, backups; a check of all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app import clock
from app.domain.errors import DomainError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import PackPurpose
from app.extensions import db, unit_of_work
from app.messages import explain
from app.models import ConfigurationPack
from app.services.definitions.lint import lint_everything
from app.services.packs import archive, importing
from app.services.packs.planning import EFFECT_LABELS, Choice, Effect, Item, Plan
from app.views import forms as f
from app.views.background_jobs import send_content
from app.views.base import scoped
from app.views.menu import add_screen
from app.views.records import UNUSED, RecordView
from app.views.screens.pack_words import (
    name_choice,
    name_item,
    name_kind,
    say_changes,
    say_refusal,
)
from app.views.screens.places import edit_url
from app.views.screens.words import say_finding

PERMISSIONS = frozenset(
    {"can_home", "can_export", "can_new", "can_check", "can_apply", "can_file", "can_discard"}
    | {"can_faults"}
)
MOST_LISTED = 50
MOST_ROWS = 400
MOST_LINES = 12
PURPOSES = {
    PackPurpose.UPLOADED: _l("Uploaded, not imported"),
    PackPurpose.APPLIED: _l("Imported"),
    PackPurpose.BACKUP: _l("Backup before an import"),
}
BADGES = {
    Effect.NEW: "ok",
    Effect.CHANGED: "active",
    Effect.CONFLICT: "soon",
    Effect.DELETED: "late",
}


TALLIES = {
    Effect.NEW: "new",
    Effect.CHANGED: "changed",
    Effect.CONFLICT: "failing",
    Effect.DELETED: "failing",
}


class UploadForm(f.PortalForm):
    """A pack to be looked at."""

    file = f.upload(
        _l("Configuration pack"),
        accept=".zip",
        max_bytes=archive.MOST_BYTES,
        hint=_l("The file “Export the configuration” has made, here or on another portal."),
    )


class PackView(RecordView):
    """配置包."""

    route_base = "/packs"
    default_view = "home"
    datamodel = scoped(ConfigurationPack)
    class_permission_name = "Configuration packs"
    exclude_route_methods = {*UNUSED, "add", "edit", "list", "show"}
    grants = dict.fromkeys(importing.CONFIGURERS, PERMISSIONS)

    @expose("/")
    @has_access
    def home(self) -> Any:
        """Export, upload, and the packs that are kept."""
        rows = db.session.scalars(
            select(ConfigurationPack).order_by(ConfigurationPack.id.desc()).limit(MOST_LISTED)
        ).all()
        return self.render_template(
            "screens/packs.html",
            title=_("Configuration packs"),
            rows=[(row, PURPOSES[row.purpose]) for row in rows],
        )

    @expose("/export", methods=["POST"])
    @has_access
    def export(self) -> Any:
        """The configuration in force as a file."""
        try:
            with unit_of_work():
                name, content = importing.export_pack(actor=self.actor, now=clock.now())
        except NotPermittedError:
            raise
        except DomainError as error:
            flash(explain(error), "danger")
            return redirect(self.path(""), 303)
        return send_content(content, name, archive.MEDIA_TYPE)

    @expose("/new", methods=["GET", "POST"])
    @has_access
    def new(self) -> Any:
        """Upload a pack; nothing of it is taken over yet."""
        form = UploadForm()
        given = f.read_upload("file", archive.MOST_BYTES)
        now = clock.now()

        def keep() -> ConfigurationPack:
            if given is None:
                raise RuleViolation(N_("Choose a file first."))
            return importing.keep_upload(*given, actor=self.actor, now=now)

        return self.answer_form(
            form,
            _("Import a configuration pack"),
            keep,
            lambda row: redirect(self.path("check", row.id), 303),
            lead=_("First you see what would change; nothing is written before you confirm it."),
            submit_label=_("Upload and look"),
            back=self.path(""),
        )

    @expose("/check/<pk>", methods=["GET"])
    @has_access
    def check(self, pk: str) -> Any:
        """What importing a pack would do."""
        return self._page(self._pack(pk), None)

    @expose("/apply/<pk>", methods=["POST"])
    @has_access
    def apply(self, pk: str) -> Any:
        """Import as chosen, or look once more with these choices."""
        row = self._pack(pk)
        choices = read_choices(request.form)
        if request.form.get("do") != "import":
            return self._page(row, choices)
        try:
            with unit_of_work():
                plan = importing.import_pack(
                    row,
                    choices,
                    expected_state=request.form.get("state", ""),
                    actor=self.actor,
                    now=clock.now(),
                )
                count = len(plan.to_do())
        except NotPermittedError:
            raise
        except DomainError as error:
            refused, status = explain(error), error.http_status
        except IntegrityError:
            refused, status = _("Somebody has changed the same at this moment. Look again."), 409
        else:
            flash(
                _("%(count)s objects taken over; a backup was kept.", count=count),
                "success",
            )
            return redirect(self.path(""), 303)
        return self._page(self._pack(pk), choices, refused), status

    @expose("/file/<pk>", methods=["GET"])
    @has_access
    def file(self, pk: str) -> Any:
        """A pack that is kept, as a download."""
        row = self._pack(pk)
        return send_content(row.content, row.filename, archive.MEDIA_TYPE)

    @expose("/discard/<pk>", methods=["POST"])
    @has_access
    def discard(self, pk: str) -> Any:
        """Throw an uploaded pack away."""
        row = self._pack(pk)
        now = clock.now()
        return self.perform(
            lambda: importing.discard_upload(row.id, actor=self.actor, now=now),
            _("Discarded; nothing was changed."),
            self.path(""),
        )

    @expose("/faults", methods=["GET"])
    @has_access
    def faults(self) -> Any:
        """The check of the whole configuration in force."""
        found = lint_everything()
        return self.render_template(
            "screens/faults.html",
            title=_("Check of the configuration"),
            rows=[
                (key, say_finding(finding), finding.blocks, _fault_url(key, finding.path))
                for key, finding in found
            ],
            crumbs=self._crumbs(_("Check of the configuration")),
        )

    # ---- what the pages show

    def _pack(self, pk: str) -> ConfigurationPack:
        row: ConfigurationPack = db.session.get_one(ConfigurationPack, self._readable(pk).id)
        return row

    def _crumbs(self, here: str) -> list[tuple[str, str]]:
        return [
            (_("Screen configuration"), ""),
            (_("Configuration packs"), self.path("")),
            (here, ""),
        ]

    def _page(
        self, row: ConfigurationPack, choices: Mapping[str, Choice] | None, refused: str = ""
    ) -> Any:
        pack = archive.open_pack(row.content)
        plan = importing.try_out(row, choices, actor=self.actor, now=clock.now())
        return self.render_template(
            "screens/pack.html",
            title=_("Dry run"),
            row=row,
            pack=pack,
            purpose=PURPOSES[row.purpose],
            refused=refused,
            counts=_counts(plan),
            unchanged=plan.unchanged,
            state=plan.state,
            rows=[_shown(item) for item in plan.items[:MOST_ROWS]],
            left_out=max(0, len(plan.items) - MOST_ROWS),
            can_discard=row.purpose is PackPurpose.UPLOADED,
            crumbs=self._crumbs(_("Dry run")),
        )


def read_choices(form: Mapping[str, str]) -> dict[str, Choice]:
    """The decisions of the page by the tokens of the objects; anything else is none."""
    words = {choice.value for choice in Choice}
    return {
        name.removeprefix("choice-"): Choice(value)
        for name, value in form.items()
        if name.startswith("choice-") and value in words
    }


def _counts(plan: Plan) -> list[tuple[str, int, str]]:
    return [(str(_(EFFECT_LABELS[effect])), plan.count(effect), effect.value) for effect in Effect]


def _shown(item: Item) -> dict[str, Any]:
    lines = say_changes(item)
    return {
        "token": item.token,
        "kind": name_kind(item),
        "name": name_item(item),
        "effect": _(EFFECT_LABELS[item.effect]),
        "badge": BADGES[item.effect],
        "lines": lines[:MOST_LINES],
        "more": max(0, len(lines) - MOST_LINES),
        "refusals": say_refusal(item),
        "choice": item.choice.value,
        "choices": [(choice.value, name_choice(item, choice)) for choice in item.choices],
        "removal": name_choice(item, Choice.DELETE),
        "is_ticked": item.choice is Choice.DELETE,
        "is_deletion": item.effect is Effect.DELETED,
    }


SCREENS_OF_LISTS = {
    "parameters": "/parameters/list/",
    "dictionaries": "/dictionaries/list/",
    "reason_codes": "/reasons/list/",
}


def _fault_url(key: str, path: str) -> str:
    if key in SCREENS_OF_LISTS:
        return SCREENS_OF_LISTS[key]
    return "" if "@" in key or key == "materials" else edit_url(key, path)


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(
        appbuilder,
        PackView,
        "Configuration packs",
        label=_l("Configuration packs"),
        category="screens",
    )
