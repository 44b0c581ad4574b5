"""The choice of series, specialty, level and committee: one question a page, reasons beside what
does not fit.
"""

from __future__ import annotations

from typing import Any

from flask import abort, redirect, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy import select

from app import clock
from app.domain.errors import DomainError
from app.domain.plan import is_call_late
from app.domain.terms import ApplicationKind, PeopleFilter, TitleLevel
from app.extensions import db, unit_of_work
from app.messages import explain
from app.models import Application, Person, Specialty
from app.services import applications, offers
from app.services.form_options import LEVEL_LABELS
from app.services.offers import CategoryOffer
from app.services.routes import route_dates, route_warning
from app.views.applicant_forms import say, say_finding

KIND_LABELS = {
    ApplicationKind.REGULAR: _("Regular application"),
    ApplicationKind.EXCEPTIONAL: _("Exceptional application"),
    ApplicationKind.CONVERSION: _("Conversion"),
    ApplicationKind.PRIVATE_ECONOMY: _("Special review of the private economy"),
}


class ChoicePages:
    """Mixed into the applicant's view."""

    _actor: Any
    _own: Any
    _number: Any
    render_template: Any

    @expose("/new/", methods=["GET", "POST"])
    @has_access
    def new(self) -> Any:
        """Begin an application, or choose anew for the draft `?application=`."""
        person = db.session.get_one(Person, self._actor().person_id)
        draft = self._draft()
        if request.method == "POST":
            return self._begin(person, draft)
        return self._ask_next(person, draft)

    def _draft(self) -> Application | None:
        number = request.values.get("application", type=int)
        return self._own(number) if number else None

    def _previous(self, person: Person) -> list[Application]:
        return list(
            db.session.scalars(
                select(Application)
                .where(Application.person_id == person.id, ~Application.is_live)
                .order_by(Application.id.desc())
                .limit(5)
            )
        )

    # ------------------------------------------------------------------ asking, one question a page

    def _ask_next(
        self, person: Person, draft: Application | None, message: str = "", status: int = 200
    ) -> Any:
        now = clock.now()
        try:
            found = offers.offers(person, now=now)
        except DomainError as error:
            return self._choice_page("stop", draft, message=explain(error)), error.http_status
        category = self._pick_category(found)
        if category is None:
            page = self._choice_page("category", draft, offers=found, message=message)
        elif (kind := self._kind()) is None or not self._has_specialty(category):
            page = self._specialty_page(category, draft, message)
        else:
            page = self._level_or_committee(person, category, kind, draft, message)
        return page, status

    def _level_or_committee(
        self,
        person: Person,
        category: CategoryOffer,
        kind: ApplicationKind,
        draft: Application | None,
        message: str,
    ) -> str:
        specialty = self._specialty(category)
        series_id = self._series_id(category, specialty)
        applicant = offers.describe_applicant(person)
        level = self._level()
        if level is None:
            rows = offers.levels_for(
                category, applicant, specialty=specialty, series_id=series_id, kind=kind
            )
            titles = {lv: [t.name for t in offers.titles_of(series_id, lv)] for lv, _why in rows}
            return self._choice_page(
                "level",
                draft,
                message=message,
                offer=category,
                specialty=specialty,
                kind=kind,
                levels=rows,
                titles=titles,
                present=applicant.present_level,
            )
        return self._committee_page(category, kind, specialty, series_id, level, draft, message)

    def _committee_page(
        self,
        category: CategoryOffer,
        kind: ApplicationKind,
        specialty: Specialty | None,
        series_id: int,
        level: TitleLevel,
        draft: Application | None,
        message: str,
    ) -> str:
        found = offers.committees_for(
            category, specialty=specialty, level=level, series_id=series_id
        )
        previews = []
        for each in found:
            warning = route_warning(category.window, each.route) if each.route else None
            is_late = bool(
                each.call
                and each.call.published_at
                and is_call_late(each.call.published_at.date(), category.window)
            )
            previews.append(
                {
                    "offer": each,
                    "dates": route_dates(category.window, each.route) if each.route else [],
                    "warning": say_finding(warning) if warning else "",
                    "is_late": is_late,
                }
            )
        person = db.session.get_one(Person, self._actor().person_id)
        return self._choice_page(
            "committee",
            draft,
            message=message,
            offer=category,
            specialty=specialty,
            kind=kind,
            level=level,
            title_name=request.values.get("title", ""),
            series_id=series_id,
            previews=previews,
            previous=[] if draft else self._previous(person),
        )

    def _specialty_page(
        self, category: CategoryOffer, draft: Application | None, message: str
    ) -> str:
        is_private = category.category.people_filter is PeopleFilter.PRIVATE_ECONOMY
        first = ApplicationKind.PRIVATE_ECONOMY if is_private else ApplicationKind.REGULAR
        kinds = [first, ApplicationKind.EXCEPTIONAL, ApplicationKind.CONVERSION]
        groups: dict[str, list[Specialty]] = {}
        for specialty in offers.specialties_of(category.category):
            groups.setdefault(specialty.group.name, []).append(specialty)
        return self._choice_page(
            "specialty", draft, message=message, offer=category, groups=groups, kinds=kinds
        )

    def _choice_page(self, step: str, draft: Application | None, **context: Any) -> str:
        place = {"stop": 0, "category": 1, "specialty": 2, "level": 3, "committee": 4}[step]
        title = gettext("Choose a committee") if draft else gettext("Start an application")
        page: str = self.render_template(
            f"applicant/choose_{step}.html",
            title=title,
            crumbs=[(gettext("My applications"), url_for(".home")), (title, "")],
            draft=draft,
            place=place,
            now=clock.now(),
            explain=explain,
            say=say,
            level_labels=LEVEL_LABELS,
            kind_labels=KIND_LABELS,
            **context,
        )
        return page

    # ------------------------------------------------------------ what has been answered so far

    def _pick_category(self, found: list[CategoryOffer]) -> CategoryOffer | None:
        wanted = request.values.get("category", type=int)
        return next((o for o in found if o.category.id == wanted and o.why_not is None), None)

    @staticmethod
    def _kind() -> ApplicationKind | None:
        text = request.values.get("kind", "")
        return ApplicationKind(text) if text in {k.value for k in KIND_LABELS} else None

    def _has_specialty(self, category: CategoryOffer) -> bool:
        return self._specialty(category) is not None or not offers.specialties_of(category.category)

    @staticmethod
    def _specialty(category: CategoryOffer) -> Specialty | None:
        wanted = request.values.get("specialty", type=int)
        offered = offers.specialties_of(category.category)
        return next((s for s in offered if s.id == wanted), None)

    @staticmethod
    def _series_id(category: CategoryOffer, specialty: Specialty | None) -> int:
        if specialty is not None:
            return specialty.group.series_id
        links = category.category.series_links
        if not links:
            abort(404)
        return links[0].series_id

    @staticmethod
    def _level() -> TitleLevel | None:
        text = request.values.get("level", "")
        return TitleLevel(int(text)) if text in {"1", "2", "3", "4", "5"} else None

    # ------------------------------------------------------------------ done

    def _begin(self, person: Person, draft: Application | None) -> Any:
        now = clock.now()
        choice: dict[str, Any] = {
            "category_id": self._number("category") or 0,
            "series_id": self._number("series") or 0,
            "specialty_id": self._number("specialty"),
            "level": self._level(),
            "committee_id": self._number("committee") or 0,
            "kind": self._kind(),
            "title_name": request.form.get("title") or None,
            "actor": self._actor(),
            "now": now,
        }
        if choice["level"] is None or choice["kind"] is None or not choice["committee_id"]:
            return self._ask_next(person, draft, gettext("Choose one of the committees."), 422)
        copy_from = self._number("copy_from")
        try:
            with unit_of_work():
                if draft is not None:
                    application = applications.change_choice(draft.id, **choice)
                elif copy_from:
                    application = applications.copy_application(self._own(copy_from).id, **choice)
                else:
                    application = applications.create_application(person.id, **choice)
                number = application.id
        except DomainError as error:
            person = db.session.get_one(Person, self._actor().person_id)
            return self._ask_next(person, self._draft(), explain(error), error.http_status)
        return redirect(url_for(".show", application_id=number))
