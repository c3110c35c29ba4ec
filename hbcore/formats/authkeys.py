"""authkeys: the keys that sign beats, and which of them signs ours.

Owns the reading of the file's text: one `auth N`, then `N METHOD [KEY]` lines; `#` is a comment only as the first
character of a line. Invariant: no part of a key ever stands in a problem (a word is shown only where it cannot be one).
Must not know permissions (load.py's) nor how beats are signed (links').
"""

from __future__ import annotations

import re

from hbcore.engine.config import Problem
from hbcore.engine.keys import Key, Keyring, Method
from hbcore.formats.text import Findings, Line, lines, nearest

MAX_ID = 15  # heartbeat's code takes 0..15
MAX_KEY = 256
STRONG_BITS = 128  # safety.md 4, H7: below it, heartbeats can be forged
METHODS = tuple(m.value for m in Method)


def parse(text: str, file: str = "authkeys") -> tuple[Keyring | None, tuple[Problem, ...]]:
    """The keyring, or None where the file has any error; and all problems, sorted by line."""
    found = Findings(file)
    reader = _Reader(found)
    for line in lines(text, found, anywhere=False, secret=True):
        if line.body:
            reader.read(line)
    return reader.result(), found.close()


class _Reader:
    def __init__(self, found: Findings) -> None:
        self.found = found
        self.keys: dict[int, Key] = {}
        self.lines: dict[int, int] = {}
        self.sign: int | None = None
        self.sign_line = 0

    def result(self) -> Keyring | None:
        """What an absence means is told only where no faulty line may be its reason."""
        if not self.found.failed:
            if self.sign is None:
                first = min(self.keys, default=1)
                self.found.error(0, "auth-missing", id=first)
            elif self.sign not in self.keys:
                listed = ", ".join(str(i) for i in sorted(self.keys)) or "none"
                self.found.error(self.sign_line, "auth-no-key", id=self.sign, listed=listed)
        if self.found.failed or self.sign is None:
            return None
        for key in self.keys.values():
            if key.method is Method.CRC:
                self.found.warning(self.lines[key.id], "key-crc", id=key.id)
            elif key.bits < STRONG_BITS:
                weak = {"id": key.id, "method": key.method, "bits": key.bits, "strong": STRONG_BITS}
                self.found.warning(self.lines[key.id], "key-weak", **weak)
        return Keyring(self.sign, tuple(self.keys[i] for i in sorted(self.keys)))

    def read(self, line: Line) -> None:
        words = line.words
        if words[0] == "auth":
            self.auth(line.number, words[1:])
        elif re.fullmatch(r"[0-9]{1,9}", words[0]):
            self.key(line.number, int(words[0]), words[1:])
        elif glued := re.fullmatch(r"(?i)auth[:=]?([0-9]{1,2})?", words[0]):
            self.found.error(line.number, "auth-spelling", id=glued[1] or "1")
        elif nearest(words[0], METHODS, 0.8):
            self.found.error(line.number, "key-no-id", method=nearest(words[0], METHODS, 0.8))
        else:
            self.found.error(line.number, "authkeys-line")

    def auth(self, line: int, words: list[str]) -> None:
        if not words:
            self.found.error(line, "auth-no-number")
            return
        if re.fullmatch(r"[0-9]{1,9}", words[0]) is None or int(words[0]) > MAX_ID:
            self.found.error(line, "auth-number", limit=MAX_ID)
            return
        if len(words) > 1 and not words[1].startswith("#"):
            self.found.error(line, "auth-two-words")
            return
        if self.sign is not None:
            self.found.error(line, "auth-twice", other=self.sign_line)
            return
        self.sign, self.sign_line = int(words[0]), line
        if self.sign in self.keys:  # heartbeat then says that it cannot find the key
            self.found.error(line, "auth-late", id=self.sign, key=self.lines[self.sign])

    def key(self, line: int, number: int, words: list[str]) -> None:
        if number > MAX_ID:
            self.found.error(line, "key-id", limit=MAX_ID)
        elif number in self.keys:
            self.found.error(line, "key-twice", id=number, other=self.lines[number])
        elif not words:
            self.found.error(line, "key-no-method", id=number)
        elif words[0] not in METHODS:
            self._method(line, number, words)
        elif (secret := self._secret(line, number, Method(words[0]), words[1:])) is not None:
            self.keys[number] = Key(number, Method(words[0]), secret)
            self.lines[number] = line

    def _secret(self, line: int, number: int, method: Method, words: list[str]) -> bytes | None:
        if method is Method.CRC:
            if words and not words[0].startswith("#"):
                self.found.error(line, "crc-with-key", id=number)
                return None
            return b""
        if not words:
            self.found.error(line, "key-missing", id=number, method=method)
        elif words[0].startswith("#"):
            self.found.error(line, "key-comment", id=number, method=method)
        elif len(words) > 1 and not words[1].startswith("#"):  # heartbeat drops the rest silently
            self.found.error(line, "key-two-words", id=number)
        elif words[0][0] in "\"'`" or words[0][-1] in "\"'`":
            self.found.error(line, "key-quotes", id=number)
        elif len(words[0]) > MAX_KEY:
            self.found.error(line, "key-long", id=number, limit=MAX_KEY)
        else:
            return words[0].encode("ascii")
        return None

    def _method(self, line: int, number: int, words: list[str]) -> None:
        """The word itself is never shown: where the method was forgotten it is the key."""
        word = words[0].lower().replace("-", "").replace("_", "").removeprefix("hmac")
        near: str | None = None
        if word in METHODS:
            near = word
        elif re.fullmatch(r"sha[0-9]{1,4}", word):
            near = Method.SHA256.value
        elif len(word) <= 12 and len(words) > 1:
            near = nearest(word, METHODS, 0.6)
        if near is None:
            self.found.error(line, "key-method", id=number, methods=", ".join(METHODS))
        else:
            self.found.error(line, "key-method-near", id=number, near=near, methods=", ".join(METHODS))
