"""What web pages, word processors and chats do to text that is pasted from them, and the line as it was meant.

Owns the tables of such characters, of a comment's wrong beginnings and of Markdown's and HTML's escapes. Invariant:
pure; a trace names the first foreign character of a line by its column, and the line it offers has none any more.
Must not know any format's words, nor sentences.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass

BLANKS = " \t\f\r"  # what heartbeat takes as white space within a line; never str.split(), which knows more
# How other files, and people who explain a line, begin a comment; the second ones also behind a value.
MARKS = ("\\\\", "//", "/*", "<!--", "<==", "<--", "--", ";", "%", "REM ", "rem ")
BEHIND = ("\\\\", "//", "/*", "<!--", "<==", "<--")
QUOTES = "\u2018\u2019\u201a\u201b\u2032\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"  # no file of ours reads any
PLAIN = str.maketrans(
    {
        **dict.fromkeys(QUOTES, ""),
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-", "\u2212": "-",
        "\u3002": ".", "\u3001": ",", "\u2044": "/", "\u2215": "/", "\u2236": ":",
    }
)  # fmt: skip
# Cyrillic letters that nobody can tell from Latin ones; beside a Latin one they are mistyped.
ALIKE = str.maketrans("асеорхуіјѕАВСЕНКМОРТХ", "aceopxyijsABCEHKMOPTX")
_ENTITY = re.compile(r"&(?:amp|lt|gt|nbsp|quot|apos|#[0-9]{1,5});")
_ESCAPED = "_*-.[](){}<>~`!|+#"  # what Markdown puts a backslash before
_PASSES = 8  # an escape may hide another
MAX_COMMENT = 40  # of what is offered; the rest of a comment is the person's own


@dataclass(frozen=True, slots=True)
class Trace:
    """The first foreign character: `code` and `args` say what it is, `column` where (1-based, in characters), `line`
    how the whole line is meant ("" where that is not known).
    """

    code: str
    column: int
    args: dict[str, str]
    line: str


def trace(raw: str, *, comments: bool = True) -> Trace | None:
    """What a paste did to the part of a line that counts. `comments`: `#` ends that part wherever it stands, else where
    it begins a word; and words behind the first are plain ASCII.
    """
    first: tuple[str, int, dict[str, str]] | None = None
    line = raw
    for _ in range(_PASSES):
        line, found = _mend(line, comments)
        first = first or found
        if found is None or found[0] == "not-utf8-here":
            break
    if first is None:
        return None
    code, column, args = first
    return Trace(code, column, args, "" if code == "not-utf8-here" else _brief(line).strip(BLANKS))


def is_bad_byte(char: str) -> bool:
    """Bytes that are not UTF-8 arrive as lone surrogates (errors="surrogateescape")."""
    return "\ud800" <= char <= "\udfff"


def _mend(raw: str, comments: bool) -> tuple[str, tuple[str, int, dict[str, str]] | None]:
    """The line without its traces, and the first of them: code, column, arguments."""
    first: tuple[str, int, dict[str, str]] | None = None
    out: list[str] = []
    at = 0
    begun = False  # a word came already
    while at < len(raw):
        if raw[at] == "#" and (comments or not begun or raw[at - 1] in BLANKS):
            out.append(raw[at:])
            break
        found = _at(raw, at, begun, comments)
        if found is None:
            out.append(raw[at])
            begun = begun or raw[at] not in BLANKS
            at += 1
            continue
        code, length, instead, args = found
        first = first or (code, at + 1, args)
        out.append(instead)
        begun = begun or bool(instead.strip(BLANKS))
        at += length
        if instead == "#":  # the rest is a comment now
            out.append(raw[at:])
            break
    return "".join(out), first


def _at(raw: str, at: int, begun: bool, comments: bool) -> tuple[str, int, str, dict[str, str]] | None:
    """The trace that begins here: code, how long it is, what is meant, arguments."""
    char = raw[at]
    if is_bad_byte(char):
        return "not-utf8-here", 1, "", {}
    if not comments and begun:  # maybe a key: any printable character may be part of it
        return None if " " <= char <= "~" or char in BLANKS else ("odd-character", 1, "", {})
    if raw.startswith("\\#", at):
        return "escaped-comment", 2, "#", {}
    apart = not begun or raw[at - 1] in BLANKS
    mark = next((m for m in (BEHIND if begun else MARKS) if raw.startswith(m, at)), None) if apart else None
    if mark is not None and (not begun or raw[at + len(mark) :].strip(BLANKS)):
        return "comment-mark", len(mark), "#", {"mark": mark.strip()}
    if char == "\\" and not raw[at + 2 :].strip(BLANKS) and raw.startswith("\\\\", at):
        return "doubled-backslash", 2, "\\", {}
    if char == "\\" and at + 1 < len(raw) and raw[at + 1] in _ESCAPED:
        return "escaped-character", 2, raw[at + 1], {"char": raw[at + 1]}
    if entity := _ENTITY.match(raw, at):
        plain = html.unescape(entity[0]).replace("\u00a0", " ")
        return "html-entity", len(entity[0]), plain.translate(dict.fromkeys(map(ord, "\"'"))), {"char": entity[0]}
    return _odd(raw, at)


def _odd(raw: str, at: int) -> tuple[str, int, str, dict[str, str]] | None:
    char = raw[at]
    if " " <= char <= "~" or char in BLANKS[:-1]:
        return None
    category = unicodedata.category(char)
    args = {"name": unicodedata.name(char, "control character").lower(), "number": f"U+{ord(char):04X}"}
    if category in ("Zs", "Zl", "Zp"):
        return "odd-blank", 1, " ", args
    plain = unicodedata.normalize("NFKC", char.translate(PLAIN))
    if plain != char and plain.isascii() and (plain.isprintable() or not plain):
        return "odd-character", 1, plain, {**args, "char": char}
    if category in ("Cc", "Cf", "Cn", "Co"):
        return "invisible-character", 1, "", args
    latin = char.translate(ALIKE)
    beside = raw[max(0, at - 1) : at] + raw[at + 1 : at + 2]
    if latin != char and any(c.isascii() and c.isalnum() for c in beside):
        return "lookalike", 1, latin, {**args, "char": char, "latin": latin}
    return None


def _brief(line: str) -> str:
    body, mark, comment = line.partition("#")
    return body + mark + (comment if len(comment) <= MAX_COMMENT else comment[:MAX_COMMENT] + "...")
