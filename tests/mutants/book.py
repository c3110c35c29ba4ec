"""docs/mutants.md: its table is written anew from a run, the words above it are a person's.

Owns the file's shape. Must not know how mutants are tried.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.mutants.__main__ import Verdict

BOOK = Path(__file__).resolve().parents[2] / "docs" / "mutants.md"
MARK = "<!-- from here on written by `make mutants ARGS=--write` -->\n"


def write(verdicts: Iterable[Verdict], seeds: int) -> None:
    done = sorted(verdicts, key=lambda v: (v.rule, v.name))
    others = [v for v in done if not v.same]
    caught = [v for v in others if v.good]
    drawn = sorted(seed.tried for v in caught if (seed := v.caught.get("seeds")))
    lines = [
        f"{len(caught)} of {len(others)} mutants are caught; {len(drawn)} of them by drawn runs, too"
        + (f", half of those within {drawn[len(drawn) // 2]} seeds" if drawn else "")
        + f". Seeds: the first of {seeds} whose run breaks an invariant.\n",
        "| mutant | rule | caught by | what it says | seeds |",
        "|---|---|---|---|---|",
    ]
    for verdict in others:
        known, seed = verdict.caught.get("known"), verdict.caught.get("seeds")
        by, how = (known.check, known.how) if known else ("**nothing**", verdict.error or "it survives")
        drawn_by = f"{seed.tried}: {seed.how.split(':')[0]}" if seed else "-"
        lines.append(f"| {verdict.name} | {verdict.rule} | {by} | {_short(how)} | {drawn_by} |")
    lines += ["", "The same program, so that nothing can catch it:", "", "| mutant | rule | why |", "|---|---|---|"]
    lines += [f"| {v.name} | {v.rule} | {v.same} |" for v in done if v.same]
    head = BOOK.read_text().partition(MARK)[0]
    BOOK.write_text(head + MARK + "\n" + "\n".join(lines) + "\n")


def _short(text: str) -> str:
    text = text.replace("|", "/")
    return text if len(text) <= 80 else text[:77] + "..."
