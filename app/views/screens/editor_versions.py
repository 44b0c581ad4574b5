"""Publishing a drafted screen, its versions with what each changed, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from flask import flash, redirect, url_for
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app import clock
from app.domain.errors import DomainError
from app.domain.workflow import ActorRole as R
from app.extensions import db, unit_of_work
from app.messages import explain
from app.models import Account, DefinitionVersion
from app.security.actors import current_actor
from app.services.definitions import store
from app.services.definitions.differences import describe_differences
from app.services.definitions.lint import Finding, lint_layer
from app.services.definitions.versions import UnknownDefinitionError, list_versions
from app.views import forms as f
from app.views.base import ALL, PortalView
from app.views.screens.places import crumbs_to, edit_url
from app.views.screens.words import name_of_item, say_difference, say_finding

READERS = frozenset({"can_differences", "can_history"})


class PublishForm(f.PortalForm):
    """Why this is published."""

    reason = f.area(
        _l("Why"),
        required=True,
        longest=store.LONGEST_REASON,
        hint=_l("It stands in the history of this screen for good."),
    )


class ScreenVersionsView(PortalView):
    """What the draft changes, publishing it, all versions, rolling back."""

    route_base = "/screens/versions"
    default_view = "history"
    class_permission_name = "ScreenVersionsView"
    grants = {R.SYSTEM_ADMIN: ALL, R.PROVINCE_HRSS: ALL, R.AUDIT_ADMIN: READERS}

    @expose("/differences/<key>")
    @has_access
    def differences(self, key: str) -> Any:
        """The draft beside the version in force, in words."""
        return self.render_template("screens/differences.html", **self._draft(key))

    @expose("/publish/<key>", methods=["GET", "POST"])
    @has_access
    def publish(self, key: str) -> Any:
        """What will change, what the check found, and the reason."""
        draft = store.draft_of(key)
        form = PublishForm(data={"expected_version": draft.version if draft else 0})
        now = clock.now()

        def work() -> Any:
            with unit_of_work():
                version = store.publish_draft(
                    key,
                    reason=form.reason.data,
                    expected_version=form.version,
                    actor=current_actor(),
                    now=now,
                )
                number = version.number
            flash(_("Version %(number)s is in force.", number=number), "success")
            return redirect(url_for("ScreenVersionsView.history", key=key), 303)

        return self.answer(form, work, "screens/publish.html", **self._draft(key))

    @expose("/discard/<key>", methods=["POST"])
    @has_access
    def discard(self, key: str) -> Any:
        """Throw the draft away."""
        now = clock.now()
        return self._perform(
            lambda: store.discard_draft(
                key, expected_version=f.posted_version(), actor=current_actor(), now=now
            ),
            _("The draft has been discarded; what is published stays."),
            edit_url(key),
        )

    @expose("/history/<key>")
    @has_access
    def history(self, key: str) -> Any:
        """All versions: number, when, who, why, and what each changed."""
        versions = list_versions(key)
        if not versions:
            raise UnknownDefinitionError
        title = name_of_item(versions[0].definition)
        return self.render_template(
            "screens/history.html",
            title=_("Versions: %(screen)s", screen=title),
            key=key,
            versions=[*_lines(versions)],
            may_roll_back=self._may("can_roll_back"),
            crumbs=crumbs_to(title, key, _("Versions")),
        )

    @expose("/roll_back/<key>/<int:number>", methods=["GET", "POST"])
    @has_access
    def roll_back(self, key: str, number: int) -> Any:
        """Bring an earlier version into force again, with a reason."""
        versions = list_versions(key)
        earlier = next((each for each in versions if each.number == number), None)
        if earlier is None:
            raise UnknownDefinitionError
        form = PublishForm()
        now = clock.now()

        def work() -> Any:
            with unit_of_work():
                version = store.roll_back(
                    key, number, reason=form.reason.data, actor=current_actor(), now=now
                )
                made = version.number
            flash(_("Version %(number)s is in force.", number=made), "success")
            return redirect(url_for("ScreenVersionsView.history", key=key), 303)

        title = name_of_item(earlier.definition)
        changes = describe_differences(versions[0].definition, earlier.definition)
        return self.answer(
            form,
            work,
            "screens/roll_back.html",
            title=_("Roll back to version %(number)s", number=number),
            key=key,
            lines=[say_difference(each) for each in changes],
            has_draft=store.draft_of(key) is not None,
            crumbs=crumbs_to(title, key, _("Roll back to version %(number)s", number=number)),
        )

    # ---- together

    def _may(self, permission: str) -> bool:
        return bool(self.appbuilder.sm.has_access(permission, self.class_permission_name))

    def _draft(self, key: str) -> dict[str, Any]:
        current, drafted, draft = store.current(key), store.drafted(key), store.draft_of(key)
        findings = lint_layer(key, draft.changes) if draft else []
        title = name_of_item(drafted)
        return {
            "title": _("Draft: %(screen)s", screen=title),
            "key": key,
            "draft": draft,
            "by": _name(draft.changed_by_id) if draft else "",
            "lines": [
                (say_difference(each), edit_url(key, each.path))
                for each in describe_differences(current, drafted)
            ],
            "blocking": [_finding(key, each) for each in findings if each.blocks],
            "warnings": [_finding(key, each) for each in findings if not each.blocks],
            "may_publish": self._may("can_publish"),
            "crumbs": crumbs_to(title, key, _("Draft")),
        }

    def _perform(self, work: Callable[[], object], message: str, target: str) -> Any:
        try:
            with unit_of_work():
                work()
        except DomainError as error:
            flash(explain(error), "danger")
        else:
            flash(message, "success")
        return redirect(target, 303)


def _finding(key: str, finding: Finding) -> tuple[str, str]:
    return say_finding(finding), edit_url(key, finding.path)


def _name(account_id: int | None) -> str:
    return str(db.session.scalar(select(Account.first_name).where(Account.id == account_id)) or "")


def _lines(versions: list[DefinitionVersion]) -> Any:
    """Each version with who published it and its sentences, the newest first."""
    ids = {version.published_by_id for version in versions if version.published_by_id}
    query = select(Account.id, Account.first_name).where(Account.id.in_(ids))
    names = {account_id: name for account_id, name in db.session.execute(query)}  # noqa: C416
    for version, before in pairwise([*versions, None]):
        if version is None:
            continue
        changes = describe_differences(before.definition, version.definition) if before else []
        yield {
            "number": version.number,
            "at": version.created_at,
            "by": names.get(version.published_by_id) or _("The product"),
            "reason": version.reason or _("As delivered with this release"),
            "lines": [say_difference(each) for each in changes],
            "is_first": before is None,
        }


def register(appbuilder: Any) -> None:
    """Add the pages; the editor's entry in the menu leads to them."""
    appbuilder.add_view_no_menu(ScreenVersionsView)
