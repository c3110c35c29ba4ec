"""All mutants: each takes one rule away by an edit of our own source text. They stand in `*.mutants` beside this file:

    [name] place of the rule: a section of safety.md with its row; "d" and a number: of design.md; "dec" N.M: a decision
    by what is known to catch it: scene NAME (of scenes.txt) | tale NAME (of tests/stories) | seed NUMBER | test NAME
    same why nothing can catch it (an equivalent one has this line instead of `by`)
    in a module of hbcore
    - the text as it is, found there exactly once
    + the text as it becomes

Invariant: each is caught by what it names, or says why nothing can catch it. Must not know how they are tried.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.edit import Edit

HERE = Path(__file__).parent
TITLE = re.compile(r"\[([\w-]+)\] (.+)")


@dataclass(frozen=True, slots=True)
class Mutant:
    """`by`: the check that is known to catch it. `same`: why it is no other program, "" where it is."""

    name: str
    rule: str
    edits: tuple[Edit, ...]
    by: str = ""
    same: str = ""


def parse(text: str) -> list[Mutant]:
    """Raises ValueError, naming the mutant, where a part is missing or unknown."""
    return [
        _one(block.splitlines()) for block in re.split(r"\n\n+", text) if not block.startswith("#") and block.strip()
    ]


def _one(lines: list[str]) -> Mutant:
    title = TITLE.fullmatch(lines[0])
    if title is None:
        raise ValueError(lines[0])
    says: dict[str, str] = {}
    edits: list[tuple[str, list[str], list[str]]] = []
    for line in lines[1:]:
        word, _, rest = line.partition(" ")
        if word in ("by", "same") and word not in says:
            says[word] = rest
        elif word == "in":
            edits.append((rest.replace("/", "."), [], []))
        elif word in "-+" and edits:
            _, old, new = edits[-1]
            (old if word == "-" else new).append(rest)
        else:
            raise ValueError(f"{title[1]}: {line}")
    if len(says) != 1 or not edits or not all(old for _, old, _ in edits):
        raise ValueError(f"{title[1]}: by or same, and an edit")
    made = tuple(Edit(module, "\n".join(old), "\n".join(new)) for module, old, new in edits)
    return Mutant(title[1], title[2], made, says.get("by", ""), says.get("same", ""))


MUTANTS: dict[str, Mutant] = {}
for file in sorted(HERE.glob("*.mutants")):
    for one in parse(file.read_text()):
        if one.name in MUTANTS:
            raise ValueError(f"{one.name}: twice")
        MUTANTS[one.name] = one
