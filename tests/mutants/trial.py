"""One mutant in force in this process, tried against scenes, tales, seeds and tests.

Owns the trial and its words. Invariant: what was caught names the check that caught it; a check that would also catch
the true engine proves nothing, so scenes, tales and tests are run on that one, too (tests/sim/test_mutants.py).
Must not know the catalogue.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

TESTS = tuple(
    f"tests.unit.test_{name}"
    for name in ("engine_rights", "engine_placement", "engine_lapses", "engine_troubles", "engine_leases",
                 "engine_monitors", "engine_senses", "engine_stories", "engine_heart", "heart_hostile", "engine_table")
)  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]
SCENE = re.compile(
    r"^\[([\w-]+)\]\n((?:.+\n)+)", re.MULTILINE
)  # its name, then a scenario as hbcore.sim.story reads it
SCENES = dict(SCENE.findall((Path(__file__).parent / "scenes.txt").read_text()))
KINDS = ("known", "scenes", "tales", "tests", "seeds")
LIMIT_S = 8  # of processor time for one plan or test; the true engine needs one


@dataclass(frozen=True, slots=True)
class Caught:
    """`check`: as in the catalogue; `how`: the invariant or what the test said.

    `tried`: how many of the kind were needed.
    """

    check: str
    how: str
    tried: int = 1


def scenes(names: Iterable[str] = ()) -> Caught | None:
    """Short plans with the few faults that a rule was made for, each a whole run of the simulator with its judge."""
    from hbcore.sim.story import parse

    for number, name in enumerate(names or SCENES, 1):
        if how := _plan(parse(SCENES[name])[0]):
            return Caught(f"scene {name}", how, number)
    return None


def tales(names: Iterable[str] = ()) -> Caught | None:
    """The stories of tests/stories: told otherwise than they were read."""
    from tests.stories.__main__ import FOLDER, told

    for number, name in enumerate(names or sorted(path.stem for path in FOLDER.glob("*.story")), 1):
        text = (FOLDER / f"{name}.story").read_text()
        try:
            with _limit():
                after = told(text)
        except Exception as error:
            return Caught(f"tale {name}", f"{type(error).__name__}: {str(error)[:100]}", number)
        if after != text:
            pairs = itertools.zip_longest(text.splitlines(), after.splitlines(), fillvalue="(nothing)")
            how = next(f"{new.strip()} instead of {old.strip()}" for old, new in pairs if old != new)
            return Caught(f"tale {name}", how, number)
    return None


def seeds(numbers: Iterable[int]) -> Caught | None:
    from hbcore.sim.draw import plan

    for tried, number in enumerate(numbers, 1):
        if how := _plan(plan(number)):
            return Caught(f"seed {number}", how, tried)
    return None


def _plan(plan: Any) -> str:
    """The first invariant that broke, "" where all held."""
    from hbcore.sim.run import run

    try:
        with _limit():
            result = run(plan, to_first=True)
    except Exception as error:  # the daemon or pulse would have died of it
        return f"{type(error).__name__}: {str(error)[:100]}"
    return f"{result.broken[0].invariant}: {result.broken[0].text}" if result.broken else ""


def tests(names: Iterable[str] = ()) -> Caught | None:
    for tried, name in enumerate(names or _all_tests(), 1):
        if how := _play(name):
            return Caught(f"test {name}", how, tried)
    return None


def _all_tests() -> Iterator[str]:
    for module in TESTS:
        yield from (name for name in vars(importlib.import_module(module)) if name.startswith("test_"))


def _test(name: str) -> Callable[..., None]:
    for module in TESTS:
        if found := getattr(importlib.import_module(module), name, None):
            return found  # type: ignore[no-any-return]
    raise LookupError(f"no test {name} in {', '.join(TESTS)}")


def _play(name: str) -> str:
    """What failed in this test, "" where it passed. Tests of engines need no fixture, only their parameters."""
    test = _test(name)
    for given in _parameters(test):
        try:
            with _limit():
                test(**given)
        except (Exception, pytest.fail.Exception) as error:
            return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:100]}"
    return ""


@contextlib.contextmanager
def _limit() -> Iterator[None]:
    """Some mutants turn in circles."""

    def over(_number: int, _frame: object) -> None:
        raise TimeoutError(f"not over after {LIMIT_S} s")

    signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _parameters(test: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """The calls that `pytest.mark.parametrize` stands for."""
    axes = []
    for mark in getattr(test, "pytestmark", []):
        assert mark.name == "parametrize", f"{test}: {mark.name}"
        names, values = mark.args
        names = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
        axes.append([dict(zip(names, v if len(names) > 1 else (v,), strict=True)) for v in values])
    for row in itertools.product(*axes):
        yield {name: value for part in row for name, value in part.items()}


def checks(by: str, most_seeds: int) -> dict[str, Callable[[], Caught | None]]:
    """Kinds of checks, those first that are quick. `by`: what is known to catch it, "" = nothing."""
    ways = (partial(_known, by), scenes, tales, tests, partial(seeds, range(most_seeds)))
    return dict(zip(KINDS, ways, strict=True))


def _known(by: str) -> Caught | None:
    kind, _, what = by.partition(" ")
    match kind:
        case "scene":
            return scenes([what])
        case "tale":
            return tales([what])
        case "seed":
            return seeds([int(what)])
        case "test":
            return tests([what])
        case "":
            return None
        case _:
            raise ValueError(by)


def preload() -> None:
    """What tests need besides hbcore, once for all that are forked from here."""
    for name in ("hypothesis.strategies", "pytest", "tests.conftest"):
        importlib.import_module(name)
    assert not any(name.startswith("hbcore") for name in sys.modules)
