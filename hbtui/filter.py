"""The `/` filter: which rows stay.

Owns its small language: words that all must match (regular expressions, case ignored), `!word` inverts,
`state:failed node:hb2 moved:yes` look at one field. Invariant: any text is a valid filter (a broken regular
expression is taken literally). Must not know widgets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Fields = Mapping[str, str]
Filter = Callable[[Fields], bool]

FIELDS = ("name", "state", "node", "home", "moved", "kind")
_SEARCHED = ("name", "state", "node", "home", "kind")  # what a bare word looks at: not the yes/no fields


def _word(word: str) -> Filter:
    if word.startswith("!") and len(word) > 1:
        inner = _word(word[1:])
        return lambda fields: not inner(fields)
    name, colon, wanted = word.partition(":")
    field = name if colon and wanted and name in FIELDS else None
    text = wanted if field else word
    try:
        pattern = re.compile(text, re.IGNORECASE)
    except re.error:
        pattern = re.compile(re.escape(text), re.IGNORECASE)
    if field:
        return lambda fields: pattern.search(fields.get(field, "")) is not None
    return lambda fields: any(pattern.search(fields.get(name, "")) for name in _SEARCHED)


def parse(text: str) -> Filter | None:
    """None for an empty filter. Text is bounded to 200 characters: it is typed by hand."""
    words = [_word(word) for word in text[:200].split()]
    if not words:
        return None
    return lambda fields: all(word(fields) for word in words)
