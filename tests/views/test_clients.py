"""What the other tests of screens rely on: two browsers in one test do not see each other."""

from __future__ import annotations

from collections.abc import Callable

from flask.testing import FlaskClient


def test_two_clients_are_two_people(
    sign_in: Callable[[str], FlaskClient], client: FlaskClient
) -> None:
    province, applicant = sign_in("province"), sign_in("王敏")

    def shown_name(browser: FlaskClient) -> list[bool]:
        page = browser.get("/password/").get_data(as_text=True)
        return [name in page for name in ("蔡维新", "王敏")]

    assert shown_name(province) == [True, False]
    assert shown_name(applicant) == [False, True]
    assert shown_name(province) == [True, False]
    assert client.get("/password/").status_code == 302
