"""The contract with a real gateway, against a server that behaves as gateways do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from app import clock
from app.gateways import GatewayError, TextMessage
from app.gateways.http import HttpCards, HttpTexts, SignedPost, is_signed, sign

KEY = "a key of the gateway and the portal"
MESSAGE = TextMessage("0123abcd", "19900008888", "验证码 123456", "sign_in", {"code": "123456"})


class Gateway(ThreadingHTTPServer):
    """Answers by its script, one word a request, `ok` afterwards; keeps what arrived."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.script: list[str] = []
        self.arrived: list[tuple[dict[str, str], bytes]] = []
        self.sent: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/texts?site=1"


class Answer(BaseHTTPRequestHandler):
    """One request; a message is sent on to its phone once an id, as the contract says."""

    server: Gateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.arrived.append((dict(self.headers), body))
        word = self.server.script.pop(0) if self.server.script else "ok"
        said = json.loads(body)
        if word in ("ok", "slow", "garbage"):
            self.server.sent.setdefault(said["message_id"], said.get("phone", ""))
        if word == "hang up":
            self.connection.close()
            return
        if word == "slow":
            time.sleep(0.6)
        status = {"500": 500, "400": 400}.get(word, 200)
        answer: Any = {"accepted": word != "refused", "qr": "card:1"}
        text = b"<html>" if word == "garbage" else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        try:
            self.wfile.write(text)
        except OSError:
            return  # the portal has not waited

    def log_message(self, *_args: Any) -> None:
        return


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    server.handle_error = lambda *_args: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def texts(gateway: Gateway) -> HttpTexts:
    return HttpTexts(SignedPost(gateway.url, KEY, seconds=0.3))


def test_message_arrives_signed_and_whole(gateway: Gateway) -> None:
    assert texts(gateway).deliver(MESSAGE)
    [(headers, body)] = gateway.arrived
    assert json.loads(body) == {
        "message_id": "0123abcd",
        "phone": "19900008888",
        "template": "sign_in",
        "params": {"code": "123456"},
        "text": "验证码 123456",
    }
    assert headers["X-Portal-Signature"] == sign(KEY, headers["X-Portal-Timestamp"], body)


@pytest.mark.parametrize("fault", ["500", "garbage", "hang up", "slow"])
def test_fault_is_tried_once_more_and_nothing_is_sent_twice(gateway: Gateway, fault: str) -> None:
    gateway.script = [fault]
    assert texts(gateway).deliver(MESSAGE)
    ids = [json.loads(body)["message_id"] for _headers, body in gateway.arrived]
    assert ids == ["0123abcd", "0123abcd"]
    assert gateway.sent == {"0123abcd": "19900008888"}


@pytest.mark.parametrize("fault", ["500", "garbage", "hang up", "slow"])
def test_gateway_that_stays_away_is_given_up_and_named_without_the_number(
    gateway: Gateway, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.script = [fault, fault, "ok"]
    assert not texts(gateway).deliver(MESSAGE)
    assert len(gateway.arrived) == 2
    assert "0123abcd" in caplog.text
    assert "19900008888" not in caplog.text
    assert "123456" not in caplog.text


@pytest.mark.parametrize("answer", ["400", "refused"])
def test_refusal_is_final(gateway: Gateway, answer: str) -> None:
    gateway.script = [answer]
    assert not texts(gateway).deliver(MESSAGE)
    assert len(gateway.arrived) == 1


def test_no_gateway_at_the_address_is_a_failure_in_the_log_only() -> None:
    driver = HttpTexts(SignedPost("http://127.0.0.1:9/", KEY, seconds=0.3))
    assert not driver.deliver(MESSAGE)


def test_sending_does_not_wait_for_the_gateway(gateway: Gateway) -> None:
    driver = texts(gateway)
    driver.send(MESSAGE)
    driver.send(None)
    assert driver._pool is not None
    driver._pool.shutdown(wait=True)
    assert gateway.sent == {"0123abcd": "19900008888"}


def test_card_gateway_names_the_content_of_the_qr_code(gateway: Gateway) -> None:
    cards = HttpCards(SignedPost(gateway.url, KEY, seconds=0.3))
    assert cards.begin("ticket-1") == "card:1"
    gateway.script = ["500", "500"]
    with pytest.raises(GatewayError):
        cards.begin("ticket-2")


@pytest.mark.parametrize(
    ("age", "holds"), [(-301, False), (-299, True), (0, True), (299, True), (302, False)]
)
def test_signature_holds_for_five_minutes(age: int, holds: bool) -> None:
    timestamp = str(int(clock.real_now().timestamp()) - age)
    assert is_signed(KEY, timestamp, b"{}", sign(KEY, timestamp, b"{}")) is holds


def test_other_key_body_or_time_is_not_signed() -> None:
    timestamp = str(int(clock.real_now().timestamp()))
    good = sign(KEY, timestamp, b"{}")
    assert not is_signed("another", timestamp, b"{}", good)
    assert not is_signed(KEY, timestamp, b"[]", good)
    assert not is_signed(KEY, str(int(timestamp) - 1), b"{}", good)
    assert not is_signed(KEY, "²", b"{}", good)
    assert not is_signed(KEY, timestamp, b"{}", "é")
