"""What `mutmut run` left alive in the engine, by the reason why it may live: `python -m tests.mutants.survivors`.

Owns docs/mutmut.md, made of mutmut's own results (mutants/, not kept) and of tests/mutants/harmless.toml: for a reason
a list of "FUNCTION: PATTERN", a glob and a regular expression for "what the mutant takes away => what it puts there".
Invariant: what is not proven caught and has no reason is named, and the exit is 1. Must not know the engine.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

from mutmut.stats import status_by_exit_code

from tests.digest import ROOT, digest

RESULTS = ROOT / "mutants/hbcore/engine"
REASONS = Path(__file__).parent / "harmless.toml"
PAGE = ROOT / "docs/mutmut.md"
NO_REASON = "no reason yet"
TYPES, TESTS = "caught by type check", ("killed", "timeout")
CAUGHT = (TYPES, *TESTS)


@dataclass(frozen=True, slots=True)
class Mutant:
    """`function`: "engine.Engine.step"; `change`: "old => new", a line or more."""

    name: str
    function: str
    status: str
    change: str = ""


@dataclass(frozen=True, slots=True)
class Harmless:
    reason: str
    function: str
    pattern: re.Pattern[str]

    def fits(self, mutant: Mutant) -> bool:
        return fnmatch(mutant.function, self.function) and self.pattern.search(mutant.change) is not None


def reasons(text: str) -> list[Harmless]:
    found = []
    for reason, places in tomllib.loads(text).items():
        for place in places:
            function, _, pattern = place.partition(": ")
            found.append(Harmless(reason, function, re.compile(pattern)))
    return found


def mutants() -> Iterator[Mutant]:
    """Of the last `mutmut run`."""
    for meta in sorted(RESULTS.glob("*.py.meta")):
        codes: dict[str, int | None] = json.loads(meta.read_text())["exit_code_by_key"]
        source = meta.with_suffix("").read_text()
        bodies = {
            node.name: ast.unparse(node)
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name
        }
        for key, code in codes.items():
            name = key.rpartition(".")[2]
            function, _, number = name.rpartition("__mutmut_")
            shown = function.replace("xǁ", "").replace("ǁ", ".").removeprefix("x_")
            status = status_by_exit_code[code]
            change = "" if status in CAUGHT else _change(bodies, f"{function}__mutmut_orig", name)
            where = f"{meta.name.partition('.')[0]}.{shown}"
            yield Mutant(f"{where} {number}", where, status, change)


def _change(bodies: dict[str, str], before: str, after: str) -> str:
    old, new = bodies[before].splitlines()[1:], bodies[after].splitlines()[1:]
    if not old or old == new:  # a default in the first line
        old, new = bodies[before].splitlines()[:1], bodies[after].replace(after, before).splitlines()[:1]
    lines = [line for line in unified_diff(old, new, lineterm="", n=0) if line[:2] not in ("--", "++", "@@")]
    parts = (" ".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return " => ".join(parts)


def main() -> int:
    found = list(mutants())
    harmless = reasons(REASONS.read_text())
    alive = [m for m in found if m.status not in CAUGHT]
    why: defaultdict[str, list[Mutant]] = defaultdict(list)
    for mutant in alive:
        why[next((h.reason for h in harmless if h.fits(mutant)), NO_REASON)].append(mutant)
    counts = Counter(m.status for m in found)
    PAGE.write_text("\n".join(_page(counts, why)) + "\n")
    print(f"{len(found)} mutants: " + ", ".join(f"{n} {status}" for status, n in counts.most_common()))
    for mutant in why[NO_REASON]:
        print(f"{mutant.name}: {mutant.change}")
    print(f"{len(alive)} alive, {len(why[NO_REASON])} of them without a reason")
    return 1 if why[NO_REASON] else 0


def _page(counts: Counter[str], why: dict[str, list[Mutant]]) -> Iterator[str]:
    tests = sum(counts[status] for status in TESTS)
    caught = counts[TYPES] + tests
    numbers = {"total": counts.total(), "caught": caught, "mypy": counts[TYPES], "tests": tests}
    shown = {name: f"{number:,}" for name, number in numbers.items()}
    code = digest(["hbcore/engine/*.py"])
    yield HEAD.format(version=version("mutmut"), code=code, alive=f"{counts.total() - caught:,}", **shown)
    for reason, mutants in sorted(why.items(), key=lambda one: -len(one[1])):
        if mutants:
            yield f"\n## {reason[0].upper() + reason[1:]} ({len(mutants)})\n"
            for mutant in mutants:
                yield f"- {mutant.name}: `{mutant.change.replace('`', chr(39))}`"


HEAD = """# Small changes of the engine that nothing notices

Made from the results of mutmut {version} (`make mutmut`, hours), engine {code}, and the reasons in
`tests/mutants/harmless.toml`. Not edited by hand.

{total} mutants of `hbcore/engine`: {caught} are caught, {mypy} by `mypy --strict`, {tests} by the stories and
the quick tests that ask the engine alone. What those leave alive is below, {alive} of them, each with the reason why it
may live. The rules themselves, each taken away as a whole, are in [mutants.md](mutants.md): of those nothing lives."""


if __name__ == "__main__":
    sys.exit(main())
