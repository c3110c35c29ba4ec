"""Every code that can reach a person has its sentence, and every sentence gets the arguments it names."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

from hbcore.engine import classic, planner
from hbcore.engine.engine import PEER_NOTES
from hbcore.words import _PARTS, CATALOGUE, say

ROOT = Path(__file__).resolve().parents[2] / "hbcore"
ENGINE = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "engine").glob("*.py"))
CALLS = {"note", "Note", "Refused", "said", "say", "alarm", "ControlError", "LabError", "LinkError", "Told"}


class Anything:
    """Fits every format specification."""

    def __format__(self, specification: str) -> str:
        return "some"


def codes() -> set[str]:
    """First literal argument of every call that makes something to be said."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            if name in CALLS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return found


def test_every_code_in_the_source_has_a_sentence() -> None:
    unknown = {c for c in codes() if re.fullmatch(r"[a-zA-Z][a-z0-9-]*", c)} - set(CATALOGUE)
    assert not unknown


def test_a_code_stands_in_one_part_only() -> None:
    seen: dict[str, str] = {}
    for part in _PARTS:
        for code in part.SENTENCES:
            assert code not in seen, f"{code} in {part.__name__} and {seen[code]}"
            seen[code] = part.__name__


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_templates_can_be_filled(code: str) -> None:
    names = {field for _, field, _, _ in string.Formatter().parse(CATALOGUE[code]) if field}
    text = say(code, **dict.fromkeys(names, Anything()))
    assert not names or "some" in text


def test_what_the_engine_gives_as_reasons_has_words() -> None:
    source = (ROOT / "engine").glob("*.py")
    reasons = set()
    for path in source:
        text = path.read_text(encoding="utf-8")
        if path.name in ("world.py", "placement.py"):
            reasons |= set(re.findall(r'return "([a-z][a-z-]+)"', text))
            reasons |= set(re.findall(r'Placement\([^)]*"([a-z-]+)"\)', text))
        if path.name == "classic.py":
            body = text[text.index("def why_not") :]
            reasons |= set(re.findall(r'"([a-z][a-z-]+)"', body))
            reasons |= set(re.findall(r'begin_stop\(now_ns, [\w.]+, "([a-z-]+)"', text))
    reasons -= {"why-not"}
    assert reasons and not {r for r in reasons if f"why-{r}" not in CATALOGUE}
    stops = {r for r in reasons if re.search(rf'begin_stop\([^)]*"{r}"', ENGINE)} | set(classic.FINAL)
    assert stops and not {r for r in stops if f"cause-{r}" not in CATALOGUE}
    assert {code for code, _ in PEER_NOTES.values()} <= set(CATALOGUE)
    assert {f"asked-{verb}" for verb in planner.PLANS} <= set(CATALOGUE)
    assert {f"why-{code}" for code in classic.FINAL} <= set(CATALOGUE)


def test_say_never_raises() -> None:
    assert say("no-such-code", a="b") == "no-such-code a=b"
    assert "{node}" in say("peer-lost")
