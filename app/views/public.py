"""Pages for everybody, without sign-in (ui: public): directive and plan, calls, publicity,
results, verification."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Response, abort, current_app, make_response, redirect, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.utils.base import get_safe_redirect
from flask_babel import gettext

from app import clock
from app.domain.errors import DomainError
from app.domain.terms import PublicityKind
from app.extensions import unit_of_work
from app.messages import explain
from app.models import CallForApplications, Publicity
from app.security.actors import current_actor
from app.services import lookups, worklists
from app.services.settings import parameter
from app.views.base import PortalView
from app.views.plan_rows import plan_rows

CACHE_SECONDS = 30
"""How long a page without personal data may be kept by the browser and a front in between."""


class PublicView(PortalView):
    """Open pages; none of them asks for a permission, none shows a number or an expert's name."""

    route_base = "/public"
    default_view = "home"

    @expose("/")
    def home(self) -> Any:
        """The directive, this year's plan as a picture, calls and publicity in short."""
        now = clock.now()
        plan = worklists.current_plan(now=now)
        return self._page(
            "public/home.html",
            title="",
            plan=plan,
            plan_lines=plan_rows(plan),
            calls=lookups.list_calls().rows[:5],
            publicities=lookups.list_publicities(PublicityKind.RESULT, now=now).rows[:5],
            now=now,
        )

    @expose("/directive")
    def directive(self) -> Any:
        """The directive with its annexes, as issued."""
        text = (Path(current_app.root_path).parent / "docs" / "notice-2022.txt").read_text("utf-8")
        return self._page(
            "public/directive.html", title=gettext("Directive"), paragraphs=text.splitlines()
        )

    @expose("/guide")
    def guide(self) -> Any:
        """How to apply, step by step, and whom to ask."""
        return self._page(
            "public/guide.html", title=gettext("Guide"), committees=lookups.list_contacts()
        )

    @expose("/privacy")
    def privacy(self) -> Any:
        """The privacy notice."""
        return self._page("public/privacy.html", title=gettext("Privacy notice"))

    @expose("/calls")
    def calls(self) -> Any:
        """Published calls for applications."""
        return self._page(
            "public/calls.html",
            title=gettext("Calls for applications"),
            page=lookups.list_calls(page=_page_number()),
            now=clock.now(),
        )

    @expose("/calls/<int:call_id>")
    def call(self, call_id: int) -> Any:
        """One call with its dates and material requirements."""
        found = lookups.get_call(call_id) or abort(404)
        return self._page("public/call.html", title=found.heading, call=found, now=clock.now())

    @expose("/calls/<int:call_id>.ics")
    def call_calendar(self, call_id: int) -> Any:
        """The dates of a call as an iCalendar file."""
        found = lookups.get_call(call_id) or abort(404)
        answer = make_response(_icalendar(found))
        answer.headers["Content-Type"] = "text/calendar; charset=utf-8"
        answer.headers["Content-Disposition"] = f'attachment; filename="call-{call_id}.ics"'
        return answer

    @expose("/publicity")
    def publicities(self) -> Any:
        """Running publicities; the employers' only where the province opened them."""
        now, number = clock.now(), _page_number()
        return self._page(
            "public/publicities.html",
            title=gettext("Publicity"),
            results=lookups.list_publicities(PublicityKind.RESULT, now=now, page=number),
            employers=lookups.list_publicities(
                PublicityKind.EMPLOYER, now=now, page=_page_number()
            ),
            employer_is_open=parameter("employer_publicity_is_open"),
            now=now,
        )

    @expose("/publicity/<int:publicity_id>")
    def publicity(self, publicity_id: int) -> Any:
        """One running publicity with the form for an objection."""
        return self._publicity_page(_running(publicity_id), {}, 200)

    @expose("/publicity/<int:publicity_id>/objection", methods=["POST"])
    def object(self, publicity_id: int) -> Any:
        """Raise an objection; what was typed is kept when something is missing."""
        from app.services import objections  # noqa: PLC0415 -- lands with the process part

        found, now = _running(publicity_id), clock.now()
        try:
            with unit_of_work():
                objection = objections.raise_objection(
                    found.id,
                    body=request.form.get("body", ""),
                    name=request.form.get("name", "").strip() or None,
                    contact=request.form.get("contact", "").strip() or None,
                    actor=current_actor(),
                    now=now,
                )
                number = objection.number
        except DomainError as error:
            form = {**request.form.to_dict(), "error": explain(error)}
            return self._publicity_page(_running(publicity_id), form, error.http_status)
        return self._page(
            "public/objection_received.html", title=gettext("Objection received"), number=number
        )

    @expose("/results")
    def results(self) -> Any:
        """Results by year, and the form to look up one's own."""
        year = request.args.get("year", "")
        return self._page(
            "public/results.html",
            title=gettext("Results"),
            page=lookups.list_results(
                plan_year=int(year) if year.isdecimal() and len(year) == 4 else None,
                page=_page_number(),
            ),
            year=year if year.isdecimal() else "",
        )

    @expose("/results/own", methods=["POST"])
    def own_result(self) -> Any:
        """One's own outcomes by name and document number, sent in the body only."""
        return self._look_up(
            "public/own_result.html", gettext("My results"), lookups.lookup_outcome
        )

    @expose("/verify")
    def verify(self) -> Any:
        """The form to verify a certificate by its number, or to find one's own."""
        number = request.args.get("number", "").strip()[:40]
        if number:
            return redirect(url_for("PublicView.certificate", number=number))
        return self._page("public/verify.html", title=gettext("Verify a certificate"))

    @expose("/verify/own", methods=["POST"])
    def own_certificates(self) -> Any:
        """One's own certificates by name and document number, sent in the body only."""
        return self._look_up(
            "public/own_certificates.html",
            gettext("My certificates"),
            lookups.lookup_certificates,
        )

    @expose("/verify/<string:number>")
    def certificate(self, number: str) -> Any:
        """What the certificate of this number says, or that there is none."""
        from app.services import certificates  # noqa: PLC0415 -- lands with the review part

        found = certificates.verify(number[:40])
        page = self._page(
            "public/certificate.html",
            title=gettext("Verify a certificate"),
            certificate=found,
            number=number[:40],
            checked_at=clock.now(),
        )
        page.headers["Cache-Control"] = "no-store"
        return page

    @expose("/receipt/<string:number>")
    def receipt(self, number: str) -> Any:
        """Whether a receipt is genuine: its instant and content hash, no name."""
        return self._page(
            "public/receipt.html",
            title=gettext("Verify a receipt"),
            version=lookups.find_receipt(number[:40]),
            number=number[:40],
        )

    @expose("/elder", methods=["POST"])
    def switch_elder(self) -> Any:
        """长辈版 on or off, kept in a cookie for a year."""
        wanted = request.form.get("next", "")
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

    def _publicity_page(self, found: Publicity, form: dict[str, str], status: int) -> Any:
        page = self._page(
            "public/publicity.html",
            title=gettext("Publicity"),
            publicity=found,
            form=form,
            now=clock.now(),
        )
        page.status_code = status
        page.headers["Cache-Control"] = "no-store"
        return page

    def _look_up(self, template: str, title: str, search: Any) -> Any:
        name = request.form.get("name", "").strip()
        error, found, status = "", [], 200
        try:
            found = search(name, request.form.get("identity_number", ""))
        except DomainError as problem:
            error, status = explain(problem), problem.http_status
        page = self._page(template, title=title, found=found, name=name, error=error)
        page.status_code = status
        page.headers["Cache-Control"] = "no-store"
        return page

    def _page(self, template: str, **values: Any) -> Response:
        page = make_response(self.render_template(template, **values))
        if current_actor().account_id is None:
            page.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
            page.headers["Vary"] = "Cookie, Accept-Language"
        return page


def _page_number() -> int:
    text = request.args.get("page", "1")
    return min(int(text), 100_000) if text.isascii() and text.isdigit() else 1


def _running(publicity_id: int) -> Publicity:
    return lookups.get_publicity(publicity_id, now=clock.now()) or abort(404)


def _icalendar(call: CallForApplications) -> str:
    """Window and receipt deadline as two events (RFC 5545), instants in UTC."""
    line = call.plan_line
    stamp = call.published_at or line.applications_open_at
    events = [
        ("window", line.applications_open_at, line.applications_close_at, call.heading),
        (
            "receipt",
            line.receipt_due_at,
            line.receipt_due_at,
            f"{gettext('Receipt deadline')}: {call.committee.name}",
        ),
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
            f"DTEND:{_utc(end)}",
            *_folded(f"SUMMARY:{_escaped(summary)}"),
            "END:VEVENT",
        ]
    return "\r\n".join([*rows, "END:VCALENDAR", ""])


def _utc(instant: Any) -> str:
    return (instant - instant.utcoffset()).strftime("%Y%m%dT%H%M%SZ")


def _escaped(text: str) -> str:
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


def register(appbuilder: Any) -> None:
    """Add the open pages; they are in no menu."""
    appbuilder.add_view_no_menu(PublicView)
