"""Every rule that is taken away is noticed: each mutant by the check that is known to catch it.

`make mutants` tries them against everything. Must not know the rules.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from hbcore.sim.run import run
from hbcore.sim.story import parse
from tests.mutants import catalogue, trial

COMMAND = [sys.executable, "-m", "tests.mutants", "--json"]


def tried(*arguments: str) -> dict[str, Any]:
    said = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, cwd=trial.ROOT)
    assert said.stdout, said.stderr
    return {one["name"]: one for one in json.loads(said.stdout)}


@pytest.fixture(scope="module")
def quick() -> dict[str, Any]:
    return tried("--by", "known")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", catalogue.MUTANTS)
def test_a_mutant_is_caught_or_the_same_program(name: str, quick: dict[str, Any]) -> None:
    one = quick[name]
    if one["good"]:
        return
    by = catalogue.MUTANTS[name].by
    if one["error"] or one["same"]:
        pytest.fail(f"{name}: {one['error'] or one['caught']}")
    again = tried(name)[name]
    found = [c for c in again["caught"].values() if c]
    now = f"{found[0]['check']} does: {found[0]['how']}" if found else "nothing does, nor do the next seeds"
    pytest.fail(f"{name}: {by} does not catch it any more; {now}")


@pytest.mark.parametrize("name", trial.SCENES)
def test_a_scene_is_nothing_to_the_true_engine(name: str) -> None:
    plan, _ = parse(trial.SCENES[name])
    assert run(plan).broken == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("[a] 2\nby test x", "an edit"), ("[a] 2\nin engine/x\n- y", "by or same"), ("[a] 2\nby x\nfor y", "for y"),
     ("a 2", "a 2")],
)  # fmt: skip
def test_a_mutant_that_is_not_whole_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        catalogue.parse(text)


def test_an_edit_whose_text_is_gone_is_an_error_and_not_a_catch() -> None:
    code = (
        "from tests.mutants.edit import Edit, Rotten, put_in_force\n"
        "for old in ('no such text', 'import'):\n"
        "    try:\n"
        "        put_in_force((Edit('engine.table', old, ''),))\n"
        "    except Rotten as rotten:\n"
        "        print(rotten)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=trial.ROOT)
    assert "found 0 times: 'no such text'" in said.stdout and said.stdout.count("found ") == 2
