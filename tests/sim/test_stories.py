"""The stories: each tells today what it told when a person last read it. `make stories` tells them anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.stories.__main__ import FOLDER, told

STORIES = sorted(FOLDER.glob("*.story"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_is_told_as_it_was_read(path: Path) -> None:
    text = path.read_text()
    assert told(text) == text, f"the tale changed: `make stories`, then read `git diff {path}`"


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_two_owners_are_only_told_where_a_hole_is(path: Path) -> None:
    hole = re.match(r"hole_(H\d)", path.stem)
    found = set(re.findall(r"^two owners of .*: (.*)$", path.read_text(), re.MULTILINE))
    assert found <= ({hole[1], "H4"} if hole else set())
    assert "BROKEN" not in path.read_text()
