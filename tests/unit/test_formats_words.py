"""Every code that formats and check can say has a sentence, with exactly the arguments it is given."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import hbcore.words
from hbcore.formats import directives
from hbcore.words.config import SENTENCES

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (*sorted((ROOT / "hbcore" / "formats").glob("*.py")), ROOT / "hbcore" / "cli" / "preflight.py")
# Codes that are put together or looked up at run time, with what they are given.
BUILT: dict[str, set[str]] = {
    **{idle.why: {"option"} for idle in directives.IDLE.values()},
    **{code: {"option"} for code in directives.REFUSED.values()},
    "script-missing": {"kind", "dir"},
    "script-missing-near": {"kind", "dir", "near"},
    "script-missing-unit": {"kind", "dir", "unit"},
    "script-missing-near-unit": {"kind", "dir", "near", "unit"},
    "agent-missing": {"kind", "path"},
    "agent-missing-near": {"kind", "path", "near"},
    "unit-missing": {"kind"},
    "unit-missing-near": {"kind", "near"},
    "script-not-executable": {"kind", "path"},
    "script-is-directory": {"kind", "path"},
    "script-broken-link": {"kind", "path"},
    "script-not-regular": {"kind", "path"},
    "deadtime-twice-keepalive": {"deadtime", "keepalive", "longer", "shorter"},
    "deadtime-twice-keepalive-only": {"deadtime", "keepalive", "longer"},
    "deadtime-lease": {"deadtime", "keepalive", "longer", "shorter"},
    "deadtime-lease-only": {"deadtime", "keepalive", "longer"},
    "deadtime-lease-fast": {"deadtime", "keepalive", "longer"},
    "warntime-late": {"warntime", "write"},
    "warntime-early": {"warntime", "write"},
    "key-weak": {"id", "method", "bits", "strong"},
    "odd-blank": {"name", "number", "column", "write"},
    "odd-character": {"name", "number", "char", "column", "write"},
    "lookalike": {"name", "number", "char", "latin", "column", "write"},
    "invisible-character": {"name", "number", "column", "write"},
    "comment-mark": {"mark", "column", "write"},
    "escaped-comment": {"column", "write"},
    "escaped-character": {"char", "column", "write"},
    "doubled-backslash": {"column", "write"},
    "html-entity": {"char", "column", "write"},
    "odd-character-secret": {"column"},
    "not-utf8-here": {"column", "write"},
    "continuation-then-comment": set(),
    "continuation-then-blank": set(),
    "more-problems": {"count"},
    "weight-known-light": {"of"},
    "weight-unknown-agent": {"of"},
    "weight-tagged": {"of"},
    "group-no-node": {"word"},
}
FAULT_OPTION = {"option", "column", "line"}  # whoever tells a Fault adds what it is about, and where


def calls() -> Iterator[tuple[str, set[str], bool]]:
    """(code, names of arguments, is it a Fault) of every call that tells a problem with a literal code."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            index = {"error": 1, "warning": 1, "note": 1, "fault": 0}.get(name)
            if index is None or len(node.args) <= index:
                continue
            given = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
            if any(keyword.arg is None for keyword in node.keywords):
                continue  # arguments of another place: BUILT has them
            for constant in ast.walk(node.args[index]):
                if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                    yield constant.value, given, name == "fault"


def asked(sentence: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(sentence) if field}


def test_every_code_has_its_sentence_and_arguments() -> None:
    seen = 0
    for code, given, is_fault in calls():
        seen += 1
        assert code in SENTENCES, code
        assert asked(SENTENCES[code]) <= given | (FAULT_OPTION if is_fault else set()), code
    assert seen > 120
    for code, given in BUILT.items():
        assert asked(SENTENCES[code]) <= given, code


def test_no_sentence_is_without_a_code() -> None:
    used = {code for code, _, _ in calls()} | BUILT.keys()
    assert sorted(SENTENCES.keys() - used) == []


def test_sentences_are_one_line_each_and_stand_in_one_place() -> None:
    for code, sentence in SENTENCES.items():
        assert "\n" not in sentence
        assert not sentence.endswith("."), code
        assert len(sentence) < 220, code
        assert hbcore.words.CATALOGUE[code] == sentence
