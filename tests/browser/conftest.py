"""One private portal, one browser, one application that goes on from test to test.

The clock of the portal only moves forward: files run in the order of their names, and what needs
November (`season`) comes after what happens in August (`applied`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import journey
from tests.browser.window import Shoot, Window, start_chromium
from tests.instance import ROOT, Instance, running_portal
from tests.story.journal import Journal
from tests.story.world import World

PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver"}
"""Program and the Debian package it comes from."""
MANY_SIGN_INS = "600 per minute"
LATER = "2022-12-05T10:00"
LARGEST_PICTURE = 300 * 1024


@pytest.fixture(scope="session")
def programs() -> dict[str, str]:
    """The paths of browser and driver; without them tests skip, in continuous checks they fail."""
    found = {name: shutil.which(name) for name in PROGRAMS}
    missing = [package for name, package in PROGRAMS.items() if not found[name]]
    if missing:
        said = f"no browser: apt install {' '.join(missing)} fonts-noto-cjk"
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            pytest.fail(said)
        pytest.skip(said)
    return {name: str(path) for name, path in found.items()}


@pytest.fixture(scope="session")
def portal(
    programs: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    """A portal of our own, on 3 August 2022 at nine."""
    var = tmp_path_factory.mktemp("browser") / "var"
    with running_portal(var, AUTH_RATE_LIMIT=MANY_SIGN_INS) as instance:
        yield instance


@pytest.fixture(scope="session")
def world(portal: Instance) -> World:
    """The demo accounts and the clock of the portal."""
    world = World(portal, Journal(now=lambda: "", write=lambda line: None))
    world.read_clock()
    return world


@pytest.fixture(scope="session")
def window(
    programs: dict[str, str], portal: Instance, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Window]:
    """The browser."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SE_OFFLINE", "true")
        patch.setenv("SE_AVOID_STATS", "true")
        driver = start_chromium(
            programs["chromium"], programs["chromedriver"], tmp_path_factory.mktemp("profile")
        )
        try:
            yield Window(driver, portal.url)
        finally:
            driver.quit()


@pytest.fixture(scope="session")
def shoot(request: pytest.FixtureRequest, window: Window) -> Shoot:
    """shoot("work"): with --screenshots=FOLDER, keep the window as it is now as FOLDER/work.png."""
    folder = request.config.getoption("--screenshots")

    def keep(name: str, clip: dict[str, int] | None = None) -> None:
        if not folder:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        picture = window.picture(clip)
        assert len(picture) <= LARGEST_PICTURE, f"{name}.png has {len(picture)} bytes"
        Path(folder, f"{name}.png").write_bytes(picture)

    return keep


@pytest.fixture(scope="session")
def applied(window: Window, world: World, shoot: Shoot) -> journey.Applied:
    """王敏's application, made and submitted on a phone."""
    return journey.apply(window, world, shoot)


@pytest.fixture(scope="session")
def season(portal: Instance) -> dict[str, Any]:
    """The year goes on to December; meanwhile two meetings of committees."""
    moved = portal.portal("rehearsal", "set", LATER)
    assert moved.returncode == 0, moved.stderr
    said = subprocess.run(
        [sys.executable, "-P", "-m", "tests.browser.season"],
        cwd=ROOT,
        env=portal.env | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert said.returncode == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    return found
