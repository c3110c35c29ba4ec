"""What outside text may still contain after the one boundary, and that nothing sent to it can raise anything else."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbcore.control.sanitise import MAX_TEXT, MalformedError, clean, decode
from hbcore.control.schema import Event, Said, Status
from tests.unit.backend import status

HARMFUL = "\x00\x07\x1b\n\r\t\x7f\x80\x9b\x9d\u061c\u200e\u200f\u2028\u2029\u202e\u2066\u2069\ufeff"


@given(st.text(), st.integers(4, 300))
def test_clean_leaves_no_control_and_keeps_the_bound(text: str, limit: int) -> None:
    after = clean(text, limit)
    assert not any(c in HARMFUL or unicodedata.category(c) == "Cc" for c in after)
    assert len(after.encode("utf-8", "replace")) <= limit
    assert clean(after, limit) == after


@pytest.mark.parametrize("char", HARMFUL)
@pytest.mark.parametrize("escape", [True, False])
def test_every_harmful_character_is_gone_whichever_way_it_was_written(char: str, escape: bool) -> None:
    if not escape and char in "\x00\x07\x1b\n\r\t":
        with pytest.raises(MalformedError):
            decode(f'{{"code":"a{char}b","text":"t"}}'.encode(), Said)
        return
    line = json.dumps({"code": f"a{char}b", "text": "t"}, ensure_ascii=escape).encode()
    assert decode(line, Said).code == "a b"


def test_ordinary_text_passes_unchanged_in_any_script() -> None:
    text = 'naïve "quoted" 节点一 ✔ → é ½ ö'
    assert decode(msgspec.json.encode(Said(code="x", text=text)), Said).text == text


@pytest.mark.parametrize("text", ["x" * (MAX_TEXT + 1), '"' * 5000, "é" * 5000])
def test_no_string_is_longer_than_the_bound(text: str) -> None:
    said = decode(msgspec.json.encode(Said(code="x", text=text)), Said)
    assert 0 < len(said.text.encode()) <= MAX_TEXT


def test_both_ways_of_decoding_agree() -> None:
    plain = msgspec.json.encode(status())
    assert decode(plain, Status) == decode(plain.replace(b'"web"', b'"w\\u0065b"'), Status)


@pytest.mark.parametrize(
    "line", [b"[" * 100_000, b'{"a":' * 100_000, b'"\xff"', b'"\\ud800"', b"", b"nul", b"1e999999"]
)
def test_what_is_no_message_is_malformed_and_nothing_worse(line: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(line, Status)


@given(st.binary(max_size=400))
def test_bytes_of_any_kind_are_a_message_or_malformed(line: bytes) -> None:
    try:
        decode(line, Event)
    except MalformedError:
        pass


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _strings(item)
        case dict():
            for key, item in value.items():
                yield from (key, *_strings(item))


LINE = msgspec.json.encode(status())


@given(st.lists(st.tuples(st.integers(0, len(LINE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_status_with_bytes_changed_is_a_status_or_malformed(changes: list[tuple[int, int]]) -> None:
    line = bytearray(LINE)
    for place, byte in changes:
        line[place] = byte
    try:
        found = decode(bytes(line), Status)
    except MalformedError:
        return
    assert not any(set(text) & set(HARMFUL) for text in _strings(msgspec.to_builtins(found)))
