"""Lines of a file a person edits, and the notebook of what is wrong with them.

Owns bounds on lines and problems, comments and blanks. Invariant: no text makes anything here raise; a line that is at
fault (what pasted.py finds in it included) is reported once and not passed on.
Must not know any format's words, nor sentences (problems carry codes).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hbcore.engine.config import Problem, Severity, Where
from hbcore.formats import pasted
from hbcore.formats.pasted import BLANKS

MAX_LINE = 5120  # heartbeat's MAXLINE; it silently splits longer lines, we refuse them
MAX_PROBLEMS = 200  # of one file; the rest is counted, not listed


@dataclass(frozen=True, slots=True)
class Placed:
    """A word and the line it stands in."""

    word: str
    line: int


@dataclass(slots=True)
class Findings:
    """Problems of one file, in the order found; bounded."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    dropped: int = 0

    def error(self, line: int, code: str, /, **args: object) -> None:
        self._add(line, Severity.ERROR, code, args)

    def warning(self, line: int, code: str, /, **args: object) -> None:
        self._add(line, Severity.WARNING, code, args)

    def note(self, line: int, code: str, /, **args: object) -> None:
        self._add(line, Severity.NOTE, code, args)

    @property
    def failed(self) -> bool:
        return any(p.severity is Severity.ERROR for p in self.problems)

    def close(self) -> tuple[Problem, ...]:
        """All problems sorted by line; a last one tells how many more there were."""
        if self.dropped:
            more = Problem(Where(self.file, 0), Severity.ERROR, "more-problems", (("count", str(self.dropped)),))
            return (*sorted(self.problems, key=lambda p: p.where.line), more)
        return tuple(sorted(self.problems, key=lambda p: p.where.line))

    def _add(self, line: int, severity: Severity, code: str, args: dict[str, object]) -> None:
        if len(self.problems) >= MAX_PROBLEMS:
            self.dropped += 1
            return
        shown = tuple((key, shorten(str(value))) for key, value in args.items())
        self.problems.append(Problem(Where(self.file, line), severity, code, shown))


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its comment. `raw`: as written (no line end), where blanks at its edges mean something.

    `comment` is None where the line has none. `faulty`: already reported; the body is empty then.
    """

    number: int
    body: str
    raw: str
    comment: str | None = None
    faulty: bool = False

    @property
    def words(self) -> list[str]:
        return blank_split(self.body)

    def column(self, word: str) -> int:
        """Where the word begins, 1-based, in characters."""
        return self.raw.find(word) + 1


def lines(text: str, found: Findings, *, anywhere: bool = True, secret: bool = False) -> Iterator[Line]:
    """Every line, cleaned; blank ones and those at fault (which are reported here) have an empty body.

    `anywhere`: `#` begins a comment wherever it stands (ha.cf, haresources); else only as the first character of a line
    (authkeys, where it may be part of a key). `secret`: the line may hold a key, so no character of it is shown.
    """
    if text.startswith("\ufeff"):
        found.error(1, "byte-order-mark")
        text = text[1:]
    for number, raw in enumerate(text.split("\n"), 1):
        if raw.endswith("\r"):
            raw = raw[:-1]
        if len(raw.encode("utf-8", "surrogatepass")) > MAX_LINE:
            found.error(number, "config-line-too-long", limit=MAX_LINE)
            yield Line(number, "", raw, faulty=True)
            continue
        body, mark, comment = _cut(raw, anywhere)
        if any(pasted.is_bad_byte(c) for c in comment):
            found.warning(number, "not-utf8-comment")
        if trace := pasted.trace(raw, comments=anywhere):
            _tell(trace, number, found, secret=secret)
            yield Line(number, "", raw, faulty=True)
            continue
        yield Line(number, body.strip(BLANKS), raw, comment if mark else None)


def blank_split(text: str) -> list[str]:
    """Words between blanks as heartbeat knows them; a no-break space is not one."""
    for blank in BLANKS[1:]:
        text = text.replace(blank, " ")
    return [word for word in text.split(" ") if word]


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word a person most likely meant, or None."""
    names = list(known)
    if exact := [name for name in names if name.lower() == word.lower()]:
        return exact[0]
    close = difflib.get_close_matches(word[:64].lower(), names, 1, cutoff)
    return close[0] if close else None


def shorten(text: str, limit: int = 160) -> str:
    """Bounded and printable: what goes into a message, whatever was in the file."""
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[: limit + 1])
    return shown if len(text) <= limit and len(shown) <= 4 * limit else shown[:limit] + "..."


def _cut(raw: str, anywhere: bool) -> tuple[str, str, str]:
    if anywhere or raw.lstrip(BLANKS).startswith("#"):
        return raw.partition("#")
    return raw, "", ""


def _tell(trace: pasted.Trace, number: int, found: Findings, *, secret: bool) -> None:
    comment = trace.code in ("escaped-comment", "comment-mark")
    if secret and not comment:
        found.error(number, "odd-character-secret", column=trace.column)
        return
    line = "# ..." if secret else trace.line
    found.error(
        number, trace.code, column=trace.column, write=f"`{line}`" if line else "nothing in this line", **trace.args
    )
