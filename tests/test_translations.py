"""The portal speaks Chinese: the catalogue is complete, and so is every page a role can open."""

from __future__ import annotations

import ast
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from enum import Enum
from html.parser import HTMLParser
from urllib.parse import urldefrag, urlsplit

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient
from flask_appbuilder import Model
from flask_babel import force_locale, gettext
from flask_wtf import FlaskForm
from sqlalchemy import select
from werkzeug.exceptions import HTTPException
from wtforms import IntegerField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, NumberRange

from app import catalogues, clock
from app.catalogues import Found, extract_texts, forms_of, has_equal_placeholders, read_catalogue
from app.domain.errors import TransitionNotAllowedError
from app.domain.workflow import ACTION_LABELS, ROLE_LABELS, STATE_LABELS, State
from app.extensions import db
from app.jobs.schedule import PERIODIC
from app.messages import explain
from app.models import Account, DictionaryEntry, MaterialRequirement, ReasonCode, ReviewMeeting
from app.services import certificates, publicity, results
from app.views import audit_names
from app.views.labels import LABELS
from tests import factories
from tests.conftest import at
from tests.services import review_factory as review

CHINESE = catalogues.TRANSLATIONS / "zh" / "LC_MESSAGES" / "messages.po"

NAMES = {
    *("pdf", "ofd", "jpg", "jpeg", "png", "xlsx", "xls", "csv", "yaml", "json", "excel", "utf"),
    *("mb", "kb", "dpi", "qr", "sha", "cookie", "ip", "ldap", "oid", "cn", "issn", "isbn", "app"),
    *("chrome", "edge", "safari", "qq", "uc", "windows", "linux", "mac", "iphone", "ipad", "alt"),
}
"""Formats, units, standards, products: what a Chinese text writes in Latin letters; small here."""

LATIN = re.compile(r"[A-Za-z]+")


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    return read_catalogue(CHINESE)


@pytest.fixture(scope="module")
def texts() -> list[Found]:
    """What a new extraction finds in the code, its templates and the libraries."""
    return list(extract_texts())


@pytest.fixture(scope="module")
def fresh(texts: list[Found]) -> set[tuple[str | None, tuple[str, ...]]]:
    return {(context, forms_of(text)) for _, _, text, context in texts}


def ids(catalogue: Catalog) -> set[tuple[str | None, tuple[str, ...]]]:
    return {(message.context, forms_of(message.id)) for message in messages(catalogue)}


def messages(catalogue: Catalog) -> Iterator[Message]:
    return (message for message in catalogue if message.id)


# --------------------------------------------------------------------------- the catalogue


def test_catalogue_has_every_text_and_no_other(catalogue: Catalog, fresh: set[object]) -> None:
    assert ids(catalogue) == fresh


def test_template_has_every_text_and_no_other(fresh: set[object]) -> None:
    with (catalogues.TRANSLATIONS / "messages.pot").open("rb") as file:
        assert ids(read_po(file)) == fresh


def test_catalogue_holds_the_texts_of_the_libraries(catalogue: Catalog, texts: list[Found]) -> None:
    library = {
        forms_of(text)[0] for name, _, text, _ in texts if name.startswith(catalogues.LIBRARIES)
    }
    assert len(library) > 180
    assert [text for text in sorted(library) if text not in catalogue] == []
    assert catalogue.get("Integrity error, probably unique constraint").string == (
        "数据完整性错误，可能与已有记录重复"
    )


def test_no_translation_is_empty_or_unconfirmed(catalogue: Catalog) -> None:
    assert [m.id for m in messages(catalogue) if m.fuzzy or not all(forms_of(m.string))] == []
    assert catalogues.missing_translations() == []


def test_placeholders_are_equal_on_both_sides(catalogue: Catalog) -> None:
    assert [m.id for m in messages(catalogue) if not has_equal_placeholders(m)] == []


def test_unequal_placeholders_are_found() -> None:
    assert not has_equal_placeholders(Message("Line %(number)s", "第 %(nummer)s 行"))
    assert not has_equal_placeholders(Message("{count} rows", "行"))
    assert has_equal_placeholders(Message(("%(n)s day", "%(n)s days"), ("%(n)s 天",)))


def test_chinese_has_one_plural_form(catalogue: Catalog) -> None:
    assert catalogue.num_plurals == 1
    assert [m.id for m in messages(catalogue) if len(forms_of(m.string)) != 1] == []


TERMINAL = re.compile(
    r"(?:config|app/(?:__main__|audit_cli|cli|rules_cli|launch|supervise|provision|embedded"
    r"|services/key_rotation))\.py$"
)
"""What is said in a terminal names commands, variables and files as one types them."""

QUOTED_WORDS = {
    *("name", "identity", "number", "Content", "Type", "application", "json", "holidays", "days"),
    *("I", "O", "S", "V", "Z", "X", "A", "YY", "documents", "fonts", "make", "reset"),
    *("x", "F"),
}
"""Words a text quotes because the reader has to type or to find them as they are."""


def test_translations_hold_no_english(catalogue: Catalog, texts: list[Found]) -> None:
    on_pages = {forms_of(text)[0] for name, _, text, _ in texts if not TERMINAL.match(name)}
    left = {}
    for message in messages(catalogue):
        text = catalogues.PLACEHOLDER.sub(" ", forms_of(message.string)[0])
        foreign = {w for w in LATIN.findall(text) if w.lower() not in NAMES} - QUOTED_WORDS
        if foreign and forms_of(message.id)[0] in on_pages:
            left[message.id] = foreign
    assert left == {}


def test_sentences_end_as_sentences(catalogue: Catalog) -> None:
    wrong = [
        m.id
        for m in messages(catalogue)
        if forms_of(m.id)[0].endswith(".") != forms_of(m.string)[0].endswith("。")
    ]
    assert wrong == []


@pytest.mark.parametrize("labels", [STATE_LABELS, ACTION_LABELS, ROLE_LABELS, *LABELS.values()])
def test_labels_are_complete_and_translated(labels: dict[Enum, str], catalogue: Catalog) -> None:
    assert set(labels) == set(type(next(iter(labels))))
    assert [text for text in labels.values() if text not in catalogue] == []


def test_states_carry_the_words_of_the_glossary(catalogue: Catalog) -> None:
    said = {state.value: catalogue.get(text).string for state, text in STATE_LABELS.items()}
    assert said == {
        "draft": "草稿",
        "in_employer_check": "单位审核中",
        "in_publicity": "公示中",
        "publicized": "公示期满",
        "in_routing": "流转中",
        "received": "评委会已接收",
        "in_policy_review": "政策性审查中",
        "accepted": "审查通过",
        "in_expert_review": "专家评审中",
        "passed": "评审通过",
        "in_result_publicity": "结果公示中",
        "awaiting_confirmation": "待确认、待备案",
        "confirmed": "已确认、已备案",
        "certified": "已发证",
        "entrusted": "委托外部评审",
        "returned": "已退回",
        "on_hold": "异议核查中",
        "declined": "不予推荐",
        "rejected": "政策性审查不通过",
        "not_passed": "评审未通过",
        "lapsed": "逾期",
        "withdrawn": "已撤回",
        "disqualified": "取消资格",
        "revoked": "撤销证书",
    }


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("Submit", "提交"),
        ("Return", "退回"),
        ("Forward", "推送"),
        ("Publicity", "公示"),
        ("Node", "流转节点"),
        ("Application window", "个人申报时间"),
        ("Receipt deadline", "评委会材料收取截止时间"),
        ("Policy-review deadline", "政策性审查工作完成截止时间"),
        ("Online-review deadline", "评委会线上评审完成截止时间"),
        ("Call for applications", "申报工作通知"),
        ("Evaluation plan", "评审工作计划"),
        ("Convening unit", "评委会组建单位"),
        ("Related specialties and scope", "相关专业及适用范围"),
        ("Specialty collection form", "职称申报专业设置采集表"),
    ],
)
def test_the_words_of_the_notice(english: str, chinese: str, catalogue: Catalog) -> None:
    assert catalogue.get(english).string == chinese


def test_domain_error_is_shown_in_chinese_with_its_labels(app: Flask) -> None:
    error = TransitionNotAllowedError(state="In routing", action="Submit")
    with app.test_request_context():
        assert explain(error) == (
            "当前状态为“流转中”，不能办理“提交”。请刷新页面，从页面提供的操作中选择。"
        )


def test_english_is_the_msgid(app: Flask) -> None:
    with app.test_request_context(), force_locale("en"):
        assert gettext("Evaluation plan") == "Evaluation plan"


class Sample(FlaskForm):
    """One field of each check that WTForms' own Chinese lacks or has wrong."""

    needed = StringField(validators=[InputRequired()])
    number = IntegerField(validators=[NumberRange(min=2)])
    text = StringField(validators=[Length(max=1)])
    some = SelectMultipleField(choices=[SelectChoice("a", "A")])


def test_form_checks_speak_chinese(app: Flask) -> None:
    sent = {"number": "1", "text": "ab", "some": "b"}
    with app.test_request_context(method="POST", data=sent):
        form = Sample()
        assert not form.validate()
        assert form.errors == {
            "needed": ["此项为必填项。"],
            "number": ["不得小于 2。"],
            "text": ["不超过 1 个字。"],
            "some": ["没有选项“b”，请从列表中选择。"],
        }


def test_every_recorded_action_and_table_has_a_name() -> None:
    recorded = set()
    for path in (catalogues.ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"record", "audit.record"}:
                recorded |= {
                    part.value
                    for part in ast.walk(node.args[0])
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
    assert len(recorded) > 60
    assert recorded - set(audit_names.ACTIONS) == set()
    tables = {mapper.class_.__name__ for mapper in Model.registry.mappers}
    assert set(audit_names.OBJECTS) <= tables | {"Page"}


def test_every_periodic_job_has_a_name() -> None:
    assert set(audit_names.JOBS) == {job.name for job in PERIODIC}


# --------------------------------------------------------------------------- the pages

SHOWN_ATTRIBUTES = {"alt", "title", "placeholder", "aria-label", "label"}
SHOWN_DATA = re.compile(r"data-(?:label|confirm|[a-z-]+-text)$")
UNREAD = {"script", "style", "code", "template"}
IDENTIFIERS = re.compile(
    r"https?://\S+|[\w.+-]+@[\w.-]+|\b[0-9a-f]{12,}\b|\b(?=\w*\d)[A-Za-z0-9_-]+\b|#[0-9a-f]+"
)
"""What is no word: addresses, hashes, codes and numbers with letters in them."""


class Reader(HTMLParser):
    """Collects what a visitor reads or hears of a page, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self.language = ""
        self._unread = 0
        self._is_english = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = given.get("lang", "")
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "textarea":
            self._is_english = given.get("lang") == "en"
        if tag in UNREAD:
            self._unread += 1
        for name, value in given.items():
            if name in SHOWN_ATTRIBUTES or SHOWN_DATA.match(name):
                self.texts.append(value)
        if tag == "input" and given.get("type") in {"submit", "button"}:
            self.texts.append(given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in UNREAD:
            self._unread -= 1
        if tag == "textarea":
            self._is_english = False

    def handle_data(self, data: str) -> None:
        if not self._unread and not self._is_english and data.strip():
            self.texts.append(" ".join(data.split()))


def foreign_words(texts: list[str], known: set[str]) -> Iterator[tuple[str, str]]:
    """Each Latin word that is no name, with the text it stands in."""
    for text in texts:
        if text in known:
            continue
        for word in LATIN.findall(IDENTIFIERS.sub(" ", text)):
            if word.lower() not in NAMES and word not in known:
                yield word, text


class Crawl:
    """A walk through all pages one visitor reaches: few of each kind, so that it ends soon."""

    RECORDS = 2

    def __init__(self, app: Flask, client: FlaskClient, known: set[str]) -> None:
        self.app, self.client, self.known = app, client, known
        self.routes = app.url_map.bind("localhost")
        self.visited: Counter[str] = Counter()
        self.faults: dict[str, set[str]] = {}

    def run(self) -> None:
        """Visit what needs no parameters, and whatever the pages link to."""
        waiting = deque(["/", *self._plain_addresses()])
        queued = set(waiting)
        while waiting:
            address = waiting.popleft()
            for link in self._visit(address):
                if link not in queued:
                    queued.add(link)
                    waiting.append(link)

    def _plain_addresses(self) -> list[str]:
        return sorted(
            rule.rule
            for rule in self.app.url_map.iter_rules()
            if "GET" in (rule.methods or ()) and not rule.arguments
        )

    def _visit(self, address: str) -> list[str]:
        try:
            endpoint, values = self.routes.match(urlsplit(address).path, method="GET")
        except HTTPException:
            return []
        kind = f"{endpoint}?" if urlsplit(address).query else endpoint
        if endpoint in SKIPPED or self.visited[kind] >= (self.RECORDS if values else 1):
            return []
        answer = self.client.get(address)
        if answer.mimetype != "text/html":
            return []
        self.visited[kind] += 1
        if answer.status_code >= 500:
            self.faults.setdefault(f"{answer.status_code}", set()).add(address)
        reader = Reader()
        reader.feed(answer.get_data(as_text=True))
        if answer.status_code in {301, 302, 303, 308}:
            return [urlsplit(answer.location).path]
        if reader.language != "zh-Hans":
            self.faults.setdefault(f"lang={reader.language!r}", set()).add(address)
        for word, text in foreign_words(reader.texts, self.known):
            self.faults.setdefault(f"{word} in {text[:80]!r}", set()).add(address)
        return [urldefrag(link).url for link in reader.links if link.startswith("/")]


SKIPPED = {"static", "appbuilder.static", "LocaleView.index", "UtilView.back"}


def test_reader_takes_what_is_seen_and_heard() -> None:
    reader = Reader()
    reader.feed(
        '<html lang="zh-Hans"><script>var a</script><p>中文 Word</p>'
        '<img alt="Photo"><input type="submit" value="Go"><a data-confirm="Sure" href="/x">去</a>'
    )
    assert reader.texts == ["中文 Word", "Photo", "Go", "Sure", "去"]
    assert (reader.language, reader.links) == ("zh-Hans", ["/x"])
    found = list(foreign_words([*reader.texts, "PDF", "52520103MB1234567X"], set()))
    assert [word for word, _ in found] == ["Word", "Photo", "Go", "Sure"]


ROLES = [
    *("sysadmin", "security", "auditor", "province", "supervisor", "guiyang", "nanming"),
    *("housing", "nmdesign", "王敏", "office_building_senior"),
]
"""A demo account for each role that the first half of the year is about."""


def words_of_the_data() -> set[str]:
    """Login names and codes, which stand on pages as the data they are, and the notice's own."""
    codes = (Account.username, ReasonCode.code, DictionaryEntry.code, MaterialRequirement.code)
    found = {word for column in codes for word in db.session.scalars(select(column))}
    return found | {"XX", "XXXXXX", "CN 52-0000/TU", "test-seed"}


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """set_clock("2022-08-17T08:00") stops the business clock there."""

    def set_to(text: str) -> None:
        monkeypatch.setattr(clock, "now", lambda: at(text))
        monkeypatch.setattr(clock, "today", lambda: at(text).date())

    return set_to


@pytest.fixture
def august(app: Flask, set_clock: Callable[[str], None]) -> None:
    """An application on its way to the committee, complete with files and opinions."""
    set_clock("2022-08-17T08:00")
    factories.make_application(State.IN_ROUTING, is_complete=True)


@pytest.fixture
def november(app: Flask, set_clock: Callable[[str], None]) -> ReviewMeeting:
    """A meeting at which somebody passed, with publicity, filing and certificate."""
    meeting = review.announce_passed("周涛")
    office = review.office_of(review.GUIYANG)
    ids = [item.application_id for item in meeting.items]
    results.publicize_results(ids, actor=office, now=at("2022-11-21T09:00"))
    for application_id in ids:
        publicity.close_publicity(application_id, now=at("2022-11-29T08:00"))
    filing = results.file_result(meeting.id, actor=office, now=at("2022-11-29T10:00"))
    results.confirm_results(
        filing.meeting_id, actor=factories.staff("guiyang"), now=at("2022-12-05T10:00")
    )
    for application_id in ids:
        certificates.issue_certificate(application_id, now=at("2022-12-05T10:00"))
    set_clock("2022-12-06T09:00")
    return meeting


def faults_of(app: Flask, client: FlaskClient) -> dict[str, set[str]]:
    """What a walk through all pages of one visitor finds fault with."""
    crawl = Crawl(app, client, words_of_the_data())
    crawl.run()
    assert sum(crawl.visited.values()) > 10
    return crawl.faults


@pytest.mark.usefixtures("august")
@pytest.mark.parametrize("name", ROLES)
def test_every_page_of_a_role_is_chinese(
    app: Flask, sign_in: Callable[[str], FlaskClient], name: str
) -> None:
    assert faults_of(app, sign_in(name)) == {}


@pytest.mark.parametrize("name", ["guiyang", "office_building_intermediate_guiyang", "周涛", None])
def test_every_page_after_the_meeting_is_chinese(
    app: Flask, sign_in: Callable[[str], FlaskClient], november: ReviewMeeting, name: str | None
) -> None:
    expert = review.panel(november)[0].expert.person.name
    assert faults_of(app, sign_in(name or expert)) == {}


def test_every_public_page_is_chinese(app: Flask, client: FlaskClient) -> None:
    assert faults_of(app, client) == {}
