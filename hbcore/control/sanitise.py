"""Text from outside becomes harmless here, once, on both ends of the control socket.

Owns `decode` (a JSON line into a message) and `clean` (one string). Invariant: no string that passed has a C0 or C1
control, DEL, a line or paragraph separator or a bidirectional override in it, and none is longer than MAX_TEXT bytes;
so no node and no operator can move a cursor, fake a line or fill a screen somewhere else.
Must not know what the messages mean.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

MAX_TEXT = 4096  # bytes of UTF-8: longer than any sentence of ours, short enough for 2,000 resources in a line

# U+061C, U+200E-F, U+202A-E, U+2066-9 reorder what a person reads; U+2028-9 break lines; U+FEFF is invisible.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")

# The same in the bytes of a JSON line. A backslash may hide any of them, so it also means: look closer.
_SUSPECT = re.compile(
    rb"[\\\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf"
)
_FIRSTS = bytes([*range(0x20), 0x5C, 0x7F, 0xC2, 0xD8, 0xE2, 0xEF])


class MalformedError(Exception):
    """The line is not a message of the type asked for."""


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """`text` without harmful characters (each run becomes one space), at most `limit` bytes of UTF-8."""
    text = _HARMFUL.sub(" ", text[: limit * 2]).strip(" ") if _HARMFUL.search(text) else text
    if len(text) * 4 <= limit:
        return text
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= limit else raw[:limit].decode("utf-8", "ignore")


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): _cleaned(item) for key, item in value.items()}
    return value


def _harmless(line: bytes) -> bool:
    """True where no string in `line` can need cleaning: the common case, decided without decoding.

    The first bytes of every suspect are looked for by translate(), 20 times as fast as the expression.
    """
    if len(line.translate(None, _FIRSTS)) != len(line) and _SUSPECT.search(line):
        return False
    return max(map(len, line.split(b'"'))) <= MAX_TEXT


@functools.cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast(Any, kind))


def decode(line: bytes, kind: type[T]) -> T:
    """The message in `line`, cleaned. Raises MalformedError with what is wrong and where in the message."""
    try:
        if _harmless(line):
            return cast(T, _decoder(cast(Hashable, kind)).decode(line))
        return msgspec.convert(_cleaned(_decoder(cast(Hashable, Any)).decode(line)), kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise MalformedError(clean(str(error), 200)) from None


def decode_envelope(line: bytes, kind: type[T]) -> T:
    """The outer message, its msgspec.Raw parts untouched; `decode` them before any use."""
    try:
        return cast(T, _decoder(cast(Hashable, kind)).decode(line))
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise MalformedError(clean(str(error), 200)) from None
