"""`make story` as a test: every step of the review year holds."""

from __future__ import annotations

import pytest

from tests.story.year import run_story


@pytest.mark.story
def test_story_goes_through_the_whole_year() -> None:
    lines: list[str] = []
    assert run_story(lines.append) == 0, "\n".join(lines)
