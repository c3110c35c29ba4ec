"""Every mistake of the table is told once, in its line, by the word that helps; and the base has none.

Must not know how anything is read: only what `check` prints.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from hbcore.cli.preflight import examine, render
from hbcore.engine.config import Severity
from tests.unit.mistakes import BASE, MISTAKES, Mistake, write


def test_there_are_enough_and_each_has_its_own_name() -> None:
    names = Counter(m.name for m in MISTAKES)
    assert len(MISTAKES) >= 100
    assert [name for name, count in names.items() if count > 1] == []
    assert all(m.files != BASE for m in MISTAKES)
    assert all(sum(m.files[name] != BASE[name] for name in BASE) == 1 for m in MISTAKES)


def test_the_base_is_accepted(tmp_path: Path) -> None:
    examined = examine(write(tmp_path / "ha.d", BASE))
    assert [line for line in render(examined.problems) if ": note: " not in line] == []
    assert examined.config is not None
    assert examined.keys is not None
    assert sorted(examined.scripts) == ["httpd", "named"]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_mistake(mistake: Mistake, tmp_path: Path) -> None:
    examined = examine(write(tmp_path / "ha.d", mistake.files))
    errors = [p for p in examined.problems if p.severity is Severity.ERROR]
    told = render(errors)
    assert len(told) == 1, told
    place = mistake.file + (f":{mistake.line}: " if mistake.line else ": ")
    assert told[0].startswith(place)
    assert mistake.word in told[0].removeprefix(place)
    assert "{" not in told[0]
    assert examined.config is None
    assert (examined.keys is None) == (mistake.file == "authkeys")
