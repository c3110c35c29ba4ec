"""Sections 10.3 and 10.4 of our notes on heartbeat, case by case: what it did, what is done here, which tests show it.

    python -m tests.unit.cases      writes docs/heartbeat-cases.md of tests/data/heartbeat-cases.txt

Owns the shape of that text and of the page. In the text a case is `- CASE`, `heartbeat: ...`, `here: ...`, and lines
`FOLDER/FILE TEST ...` or `story NAME`. Must not know what a test does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT, PAGE = ROOT / "tests/data/heartbeat-cases.txt", ROOT / "docs/heartbeat-cases.md"
STORY = "tests/sim/test_stories.py::test_a_story_is_told_as_it_was_read[{}]"
HEAD = """# What heartbeat did in each case, and what is done here

The rows of heartbeat's own BasicSanityCheck (B) and the cases that our notes on it derive from its source (E1 to E16),
each with the tests that show what happens here. *later* is not built yet, *differs* is another behaviour on purpose.
Made of `tests/data/heartbeat-cases.txt` by `python -m tests.unit.cases`.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """`part`: "E5". `tests`: as pytest names them, with or without an id."""

    part: str
    title: str
    heartbeat: str
    here: str
    tests: tuple[str, ...]


def read(text: str) -> dict[str, list[Case]]:
    """The cases of each heading, in order. Raises ValueError for a line or a case that is not of the shape."""
    found: dict[str, list[Case]] = {}
    for block in re.split(r"^== ", text, flags=re.MULTILINE)[1:]:
        heading, _, rest = block.partition("\n")
        cases = re.split(r"^- ", rest, flags=re.MULTILINE)[1:]
        found[heading] = [_case(heading.split()[0], case.strip().splitlines()) for case in cases]
    return found


def _case(part: str, lines: list[str]) -> Case:
    title, heartbeat, here, *shown = lines
    if not (heartbeat.startswith("heartbeat: ") and here.startswith("here: ")):
        raise ValueError(title)
    tests = tuple(test for line in shown for test in _tests(line))
    return Case(part, title, heartbeat.removeprefix("heartbeat: "), here.removeprefix("here: "), tests)


def _tests(line: str) -> list[str]:
    where, _, names = line.partition(" ")
    if where == "story":
        return [STORY.format(names)]
    found = re.findall(r"test_\w+(?:\[[^\]]*\])?", names)
    if " ".join(found) != names:
        raise ValueError(line)
    return [f"tests/{where}.py::{name}" for name in found]


def page(parts: dict[str, list[Case]]) -> str:
    out = [HEAD]
    for heading, cases in parts.items():
        out += [f"## {heading}\n", "| case | heartbeat | here | shown by |", "|---|---|---|---|"]
        out += [f"| {c.title} | {c.heartbeat} | {_marked(c.here)} | {_shown(c.tests)} |" for c in cases]
        out.append("")
    return "\n".join(out)


def _marked(here: str) -> str:
    return re.sub(r"^(later|differs):", r"*\1*:", here)


def _shown(tests: tuple[str, ...]) -> str:
    """By file, without what all have in common."""
    files: dict[str, list[str]] = {}
    for test in tests:
        file, _, name = test.partition("::")
        if name.startswith("test_a_story_is_told"):
            files.setdefault("story", []).append(name.partition("[")[2].rstrip("]"))
        else:
            files.setdefault(f"{file.split('/')[1]}/{Path(file).stem}", []).append(name.removeprefix("test_"))
    return "; ".join(f"{file}: {', '.join(f'`{name}`' for name in names)}" for file, names in files.items())


if __name__ == "__main__":
    PAGE.write_text(page(read(TEXT.read_text())))
