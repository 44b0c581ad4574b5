"""Pages for everybody, without sign-in (ui: public): directive and plan, calls, publicity,
results, verification."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Response, abort, current_app, make_response, redirect, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.utils.base import get_safe_redirect
from flask_babel import gettext

from app import clock
from app.domain.errors import DomainError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import PublicityKind
from app.extensions import csrf, unit_of_work
from app.logs import mask
from app.messages import explain
from app.models import CallForApplications, Publicity
from app.security.actors import current_actor
from app.security.addresses import holds_number
from app.security.limits import limit_look_ups, limit_pages
from app.security.origins import comes_from_elsewhere
from app.services import lookups, objections, worklists
from app.services.settings import parameter
from app.views.base import PortalView
from app.views.directive import read_directive
from app.views.plan_rows import plan_rows

CACHE_SECONDS = 30
"""How long a page without personal data may be kept by the browser and a front in between."""

NUMBER_LENGTH = 40
"""Longer than any certificate or receipt number; the rest of what was typed is dropped."""

LONGEST_ADDRESS = 2000
"""Characters of an address a page may be returned to; longer ones make no sensible header."""

LONG_ROW = re.compile(r"[0-9]{19,}")
"""More digits than any document or telephone number has."""

DIRECTIVE_YEAR = 2022
"""The plan year of docs/notice-2022.txt."""


class PublicView(PortalView):
    """Open pages; none of them asks for a permission, none shows a document number or an expert's
    name, none sets a session cookie."""

    route_base = "/public"
    default_view = "home"

    def create_blueprint(self, *args: Any, **kwargs: Any) -> Any:
        """Count every request and refuse forms of other sites, before any page runs."""
        blueprint = super().create_blueprint(*args, **kwargs)
        blueprint.before_request(limit_pages)
        blueprint.before_request(_refuse_other_sites)
        return blueprint

    @expose("/")
    def home(self) -> Any:
        """The directive, this year's plan as a picture, calls and publicity in short."""
        now = clock.now()
        plan = worklists.current_plan(now=now)
        return self._page(
            "public/home.html",
            plan=plan,
            plan_lines=plan_rows(plan),
            directive=_directive(),
            calls=lookups.list_calls(now=now).rows[:5],
            publicities=lookups.list_publicities(PublicityKind.RESULT, now=now).rows[:5],
            now=now,
        )

    @expose("/directive")
    def directive(self) -> Any:
        """The directive with its annexes, as issued."""
        return self._page(
            "public/directive.html",
            gettext("Directive"),
            directive=_directive(),
            plan=lookups.find_plan(DIRECTIVE_YEAR),
        )

    @expose("/guide")
    def guide(self) -> Any:
        """How to apply, step by step, and whom to ask."""
        now = clock.now()
        return self._page(
            "public/guide.html",
            gettext("Guide"),
            committees=lookups.list_contacts(),
            plan=worklists.current_plan(now=now),
        )

    @expose("/privacy")
    def privacy(self) -> Any:
        """The privacy notice."""
        return self._page("public/privacy.html", gettext("Privacy notice"))

    @expose("/calls")
    def calls(self) -> Any:
        """Published calls for applications."""
        now = clock.now()
        return self._page(
            "public/calls.html",
            gettext("Calls for applications"),
            page=lookups.list_calls(now=now, page=_page_number()),
            now=now,
        )

    @expose("/calls/<int:call_id>")
    def call(self, call_id: int) -> Any:
        """One call with its dates and material requirements."""
        found = lookups.get_call(call_id) or abort(404)
        return self._page(
            "public/call.html",
            found.heading,
            crumbs=[(gettext("Calls for applications"), url_for("PublicView.calls"))],
            call=found,
            now=clock.now(),
        )

    @expose("/calls/<int:call_id>.ics")
    def call_calendar(self, call_id: int) -> Any:
        """The dates of a call as an iCalendar file."""
        found = lookups.get_call(call_id) or abort(404)
        answer = make_response(_icalendar(found))
        answer.headers["Content-Type"] = "text/calendar; charset=utf-8"
        answer.headers["Content-Disposition"] = f'attachment; filename="call-{call_id}.ics"'
        return _cacheable(answer)

    @expose("/publicity")
    def publicities(self) -> Any:
        """Running publicities; the employers' only where the province opened them."""
        now = clock.now()
        return self._page(
            "public/publicities.html",
            gettext("Publicity"),
            results=lookups.list_publicities(PublicityKind.RESULT, now=now, page=_page_number()),
            employers=lookups.list_publicities(
                PublicityKind.EMPLOYER, now=now, page=_page_number("unit_page")
            ),
            employer_is_open=parameter("employer_publicity_is_open"),
            now=now,
        )

    @expose("/publicity/<int:publicity_id>")
    def publicity(self, publicity_id: int) -> Any:
        """One running publicity with the form for an objection."""
        return self._publicity_page(_running(publicity_id), {}, "", 200)

    @expose("/publicity/<int:publicity_id>/objection", methods=["POST"])
    def raise_objection(self, publicity_id: int) -> Any:
        """Raise an objection; what was typed is kept when something is missing."""
        found = _running(publicity_id)
        typed = {name: _typed(name) for name in ("body", "name", "contact")}
        try:
            with unit_of_work():
                number = objections.raise_objection(
                    found.id, **typed, actor=current_actor(), now=clock.now()
                ).number
        except DomainError as error:
            found = _running(publicity_id)
            return self._publicity_page(found, typed, explain(error), error.http_status)
        page = self._page(
            "public/objection_received.html",
            gettext("Objection received"),
            crumbs=[(gettext("Publicity"), url_for("PublicView.publicities"))],
            number=number,
            is_named=bool(typed["name"].strip()),
        )
        return _unkept(page)

    @expose("/results")
    def results(self) -> Any:
        """Results by year, and the form to look up one's own."""
        year = _year()
        return self._page(
            "public/results.html",
            gettext("Results"),
            page=lookups.list_results(plan_year=year, page=_page_number()),
            years=lookups.list_result_years(),
            year=year,
        )

    @expose("/results/own", methods=["GET", "POST"])
    def own_result(self) -> Any:
        """One's own outcomes by name and document number, sent in the body only."""
        return self._look_up(
            "public/own_result.html",
            gettext("My results"),
            (gettext("Results"), url_for("PublicView.results")),
            lookups.lookup_outcome,
        )

    @expose("/verify")
    def verify(self) -> Any:
        """The form to verify a certificate by its number, or to find one's own."""
        number = request.args.get("number", "").strip()[:NUMBER_LENGTH]
        if _is_of_a_person(number):  # it goes by POST, not into an address
            return redirect(url_for("PublicView.own_certificates"))
        if number:
            return redirect(url_for("PublicView.certificate", number=number))
        return self._page("public/verify.html", gettext("Verify a certificate"))

    @expose("/verify/own", methods=["GET", "POST"])
    def own_certificates(self) -> Any:
        """One's own certificates by name and document number, sent in the body only."""
        return self._look_up(
            "public/own_certificates.html",
            gettext("My certificates"),
            (gettext("Verify a certificate"), url_for("PublicView.verify")),
            lookups.lookup_certificates,
        )

    @expose("/verify/<path:number>")
    def certificate(self, number: str) -> Any:
        """What the certificate of this number says, or that there is none."""
        number = number.strip()[:NUMBER_LENGTH]
        if _is_of_a_person(number):
            return redirect(url_for("PublicView.own_certificates"))
        page = self._page(
            "public/certificate.html",
            gettext("Verify a certificate"),
            found=lookups.find_certificate(number),
            number=number,
            checked_at=clock.now(),
        )
        return _unkept(page)

    @expose("/receipt")
    def receipts(self) -> Any:
        """The form to check a receipt by its number."""
        number = request.args.get("number", "").strip()[:NUMBER_LENGTH]
        if number and not _is_of_a_person(number):
            return redirect(url_for("PublicView.receipt", number=number))
        return self._page("public/receipt.html", gettext("Check a receipt"), number="", found=None)

    @expose("/receipt/<path:number>")
    def receipt(self, number: str) -> Any:
        """Whether a receipt is genuine: its instant and content hash, no name."""
        number = number.strip()[:NUMBER_LENGTH]
        if _is_of_a_person(number):
            return redirect(url_for("PublicView.receipts"))
        page = self._page(
            "public/receipt.html",
            gettext("Check a receipt"),
            found=lookups.find_receipt(number),
            number=number,
            checked_at=clock.now(),
        )
        return _unkept(page)

    @expose("/elder", methods=["POST"])
    def switch_elder(self) -> Any:
        """长辈版 on or off, kept in a cookie for a year."""
        wanted = request.form.get("next", "")
        wanted = wanted if len(wanted) <= LONGEST_ADDRESS else ""
        answer = redirect(get_safe_redirect(wanted) if wanted else url_for("PublicView.home"))
        answer.set_cookie(
            "elder",
            "1" if request.form.get("elder") == "1" else "0",
            max_age=timedelta(days=365),
            samesite="Lax",
            httponly=True,
            secure=current_app.config["SESSION_COOKIE_SECURE"],
        )
        return answer

    def _publicity_page(
        self, found: Publicity, typed: dict[str, str], error: str, status: int
    ) -> Any:
        page = self._page(
            "public/publicity.html",
            gettext("Publicity of %(name)s", name=found.application.person.name),
            crumbs=[(gettext("Publicity"), url_for("PublicView.publicities"))],
            publicity=found,
            typed=typed,
            error=error,
            now=clock.now(),
        )
        page.status_code = status
        return _unkept(page)

    def _look_up(
        self,
        template: str,
        title: str,
        above: tuple[str, str],
        search: Callable[[str, str], Sequence[Any]],
    ) -> Any:
        """The empty form, what was found, or why nothing can be; the number is never shown."""
        name = _typed("name").strip()
        error, found, status = "", None, 200
        if request.method == "POST":
            try:
                limit_look_ups()
                found = search(name, _typed("identity_number"))
            except DomainError as problem:
                error, status = explain(problem), problem.http_status
        page = self._page(
            template,
            title,
            crumbs=[above],
            found=found,
            name=name,
            error=error,
            checked_at=clock.now(),
        )
        page.status_code = status
        return _unkept(page)

    def _page(
        self,
        template: str,
        title: str = "",
        *,
        crumbs: Sequence[tuple[str, str]] = (),
        **values: Any,
    ) -> Response:
        trail = [*crumbs, (title, "")] if title else []
        text = self.render_template(template, title=title, crumbs=trail, **values)
        return _cacheable(make_response(text))


def _cacheable(answer: Response) -> Response:
    """Let browsers and fronts keep what is the same for every visitor without an account."""
    if current_actor().account_id is None:
        answer.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
        answer.vary.add("Cookie")  # 长辈版, language, sign-in
    return answer


def _unkept(answer: Response) -> Response:
    """Nobody keeps what belongs to one person or one moment."""
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _refuse_other_sites() -> None:
    if request.method == "POST" and comes_from_elsewhere():
        raise NotPermittedError(
            N_("This form was sent from another site. Open the page of this portal and try again.")
        )


def _directive() -> Any:
    return read_directive(Path(current_app.root_path).parent / "docs" / "notice-2022.txt")


def _typed(name: str) -> str:
    """A field of the form without control characters, which no database text can hold."""
    text = request.form.get(name, "").replace("\r\n", "\n")
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def _page_number(name: str = "page") -> int:
    text = request.args.get(name, "1")
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise RuleViolation(N_("This is not the number of a page. Go back to the list."))
    return int(text)


def _year() -> int | None:
    text = request.args.get("year", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) == 4):
        raise RuleViolation(N_("This is not a year. Choose one from the list."))
    return int(text)


def _running(publicity_id: int) -> Publicity:
    return lookups.get_publicity(publicity_id, now=clock.now()) or abort(404)


def _icalendar(call: CallForApplications) -> str:
    """Window and receipt deadline as two events (RFC 5545), instants in UTC; a deadline has no
    end."""
    line = call.plan_line
    stamp = call.published_at or line.applications_open_at
    deadline = gettext("Receipt deadline: %(committee)s", committee=call.committee.name)
    events = [
        ("window", line.applications_open_at, line.applications_close_at, call.heading),
        ("receipt", line.receipt_due_at, None, deadline),
    ]
    rows = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//title-review-portal//zh//",
        "METHOD:PUBLISH",
    ]
    for key, start, end, summary in events:
        rows += [
            "BEGIN:VEVENT",
            f"UID:call-{call.id}-{key}@title-review-portal",
            f"DTSTAMP:{_utc(stamp)}",
            f"DTSTART:{_utc(start)}",
            *([f"DTEND:{_utc(end)}"] if end else []),
            *_folded(f"SUMMARY:{_escaped(summary)}"),
            "END:VEVENT",
        ]
    return "\r\n".join([*rows, "END:VCALENDAR", ""])


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _escaped(text: str) -> str:
    text = " ".join(text.split("\r"))
    return text.replace("\\", "\\\\").replace(";", r"\;").replace(",", r"\,").replace("\n", r"\n")


def _folded(line: str) -> list[str]:
    """Content lines of at most 75 octets, continued with a blank."""
    rows, row, size = [], "", 0
    for character in line:
        width = len(character.encode())
        if size + width > 73:
            rows.append(row)
            row, size = " ", 1
        row += character
        size += width
    return [*rows, row]


def _is_of_a_person(number: str) -> bool:
    """Whether what was typed as the number of a certificate or receipt is one of a person.

    What the logs would mask, but for rows of digits that are longer than any number of a person.
    """
    if LONG_ROW.fullmatch(number):
        return holds_number(number)
    return mask(number) != number


def register(appbuilder: Any) -> None:
    """Add the open pages; they are in no menu. Their forms are checked by origin, not by token."""
    appbuilder.add_view_no_menu(PublicView)
    for name in ("raise_objection", "own_result", "own_certificates", "switch_elder"):
        csrf.exempt(f"{PublicView.__module__}.{name}")
