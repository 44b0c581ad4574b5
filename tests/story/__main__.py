"""`make story`: run the story and end with 0 only if every step held."""

from __future__ import annotations

import sys

from tests.story.year import run_story

if __name__ == "__main__":
    sys.exit(run_story())
