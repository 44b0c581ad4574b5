"""配置包 in the browser and on the command line: export, dry run, import, restore, refusals."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.domain.terms import PackPurpose
from app.extensions import db
from app.models import ConfigurationPack, Parameter
from tests.services.test_packs import (
    BROKEN,
    change_everything,
    export,
    look_at,
    read_zip,
    rename_entry,
    set_parameter,
)

SignIn = Callable[[str], FlaskClient]


def send(client: FlaskClient, content: bytes, name: str = "配置.zip") -> Any:
    data = {"file": (io.BytesIO(content), name)}
    return client.post("/packs/new", data=data, content_type="multipart/form-data")


def choices_on(page: str) -> dict[str, str]:
    """What the form of the dry run would send as it stands."""
    sent = {"state": re.findall(r'name="state" value="([0-9a-f]+)"', page)[0]}
    for name, options in re.findall(
        r'<select[^>]* name="(choice-[^"]+)"(.*?)</select>', page, re.S
    ):
        sent[name] = re.findall(r'value="([a-z]+)" selected', options)[0]
    return sent


@pytest.mark.parametrize("login", ["sysadmin", "province"])
def test_the_whole_way_through_the_pages(app: Flask, sign_in: SignIn, login: str):
    change_everything()
    content = export()
    rename_entry("ethnicity", "01", "汉族")
    set_parameter("call_days_before_window", "30")
    client = sign_in(login)
    answer = send(client, content)
    assert answer.status_code == 303
    page = client.get(answer.location).get_data(as_text=True)
    assert "由“汉族”改为“汉族（改）”" in page
    assert "新增" in page
    sent = choices_on(page)
    again = client.post(answer.location.replace("check", "apply"), data={**sent, "do": "try"})
    assert again.status_code == 200
    done = client.post(
        answer.location.replace("check", "apply"),
        data={**sent, "do": "import"},
        follow_redirects=True,
    )
    assert done.status_code == 200
    assert "导入前的配置已自动备份" in done.get_data(as_text=True)
    assert export() == content
    backup = db.session.scalars(
        select(ConfigurationPack).filter_by(purpose=PackPurpose.BACKUP)
    ).one()
    kept = client.get(f"/packs/file/{backup.id}")
    assert read_zip(kept.data)["parameters"] == {"objects": []}
    page = client.get(f"/packs/check/{backup.id}").get_data(as_text=True)
    assert "由“汉族（改）”改为“汉族”" in page


def test_an_import_of_an_outdated_dry_run_is_shown_again(app: Flask, sign_in: SignIn):
    change_everything()
    content = export()
    rename_entry("ethnicity", "01", "汉族")
    client = sign_in("province")
    address = send(client, content).location
    sent = choices_on(client.get(address).get_data(as_text=True))
    set_parameter("call_days_before_window", "31")
    db.session.commit()
    answer = client.post(address.replace("check", "apply"), data={**sent, "do": "import"})
    assert answer.status_code == 409
    assert "试算之后配置已有变动" in answer.get_data(as_text=True)
    assert db.session.get_one(Parameter, "call_days_before_window").value == 31


def test_exporting_is_a_post_and_gives_the_file(app: Flask, sign_in: SignIn):
    client = sign_in("province")
    assert client.get("/packs/export").status_code == 405
    answer = client.post("/packs/export")
    assert answer.mimetype == "application/zip"
    assert look_at(answer.data).items == []
    set_parameter("call_days_before_window", "35")
    rename_entry("ethnicity", "01", "联系13800001234")
    refused = client.post("/packs/export", follow_redirects=True).get_data(as_text=True)
    assert "疑似个人的证件号码或手机号" in refused
    assert "13800001234" not in refused


def test_broken_packs_are_refused_in_words_and_sign_in_still_works(app: Flask, sign_in: SignIn):
    client = sign_in("province")
    small = {name: each for name, each in BROKEN.items() if name != "too large"}
    for name, (make, _error, _words) in small.items():
        answer = send(client, make(read_zip(export())))
        assert answer.status_code == 422, name
        assert re.search(r"[\u4e00-\u9fff]+。", answer.get_data(as_text=True)), name
    assert db.session.scalars(select(ConfigurationPack)).all() == []
    assert sign_in("sysadmin").get("/packs/").status_code == 200


def test_an_upload_is_discarded_and_a_backup_is_not(app: Flask, sign_in: SignIn):
    client = sign_in("province")
    address = send(client, export()).location
    client.post(address.replace("check", "discard"))
    assert client.get(address).status_code == 404
    assert client.get("/packs/check/999999").status_code == 404


def test_the_check_of_all_is_a_page(app: Flask, sign_in: SignIn):
    page = sign_in("province").get("/packs/faults")
    assert page.status_code == 200
    assert "配置检查" in page.get_data(as_text=True)


def test_the_commands(app: Flask, tmp_path: Path):
    run = app.test_cli_runner().invoke
    first, second = str(tmp_path / "a.zip"), str(tmp_path / "b.zip")
    change_everything()
    db.session.commit()
    assert run(args=["config", "export", first, "--without-origin"]).exit_code == 0
    assert run(args=["config", "diff", first]).exit_code == 0
    rename_entry("ethnicity", "01", "汉族")
    db.session.commit()
    dry = run(args=["config", "import", first, "--dry-run"])
    assert (dry.exit_code, "由“汉族”改为“汉族（改）”" in dry.output) == (0, True)
    assert run(args=["config", "diff", first]).exit_code == 1
    assert run(args=["config", "import", first]).exit_code == 2
    done = run(args=["config", "import", first, "--apply"])
    assert (done.exit_code, "已导入 1 个对象" in done.output) == (0, True)
    run(args=["config", "export", second, "--without-origin"])
    assert Path(first).read_bytes() == Path(second).read_bytes()
    Path(second).write_bytes(b"PK")
    broken = run(args=["config", "import", second, "--dry-run"])
    assert (broken.exit_code, "这不是本系统的配置包" in broken.output) == (1, True)
    assert run(args=["config", "lint", first]).exit_code in {0, 1}
