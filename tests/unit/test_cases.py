"""The table of heartbeat's cases: none is left out, every test that it names is collected, the page is in step."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.unit.cases import PAGE, ROOT, TEXT, page, read

PARTS = read(TEXT.read_text())
CASES = [case for cases in PARTS.values() for case in cases]


def test_nothing_is_left_out() -> None:
    assert [heading.split()[0] for heading in PARTS] == ["B", *(f"E{n}" for n in range(1, 17))]
    assert all(case.tests for case in CASES)
    assert len({(case.part, case.title) for case in CASES}) == len(CASES)


def test_every_named_test_is_collected() -> None:
    """Asked of pytest itself, for these files alone."""
    files = sorted({test.partition("::")[0] for case in CASES for test in case.tests})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *files],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    collected = {line for line in done.stdout.splitlines() if "::" in line}
    known = collected | {line.partition("[")[0] for line in collected}
    missing = sorted({test for case in CASES for test in case.tests} - known)
    assert collected and not missing, (missing, done.stdout[-500:], done.stderr[-500:])


def test_the_page_is_in_step() -> None:
    assert PAGE.read_text() == page(PARTS), "python -m tests.unit.cases"


def test_every_test_written_for_a_case_is_named() -> None:
    """test_e5_... belongs to E5, wherever it stands."""
    named = {(case.part, test.partition("::")[2].partition("[")[0]) for case in CASES for test in case.tests}
    written = {
        (f"E{name.split('_')[1][1:]}", name)
        for path in sorted((ROOT / "tests").glob("*/test_*spec*.py"))
        for line in path.read_text().splitlines()
        if line.startswith("def test_e") and (name := line[4:].partition("(")[0]).split("_")[1][1:].isdigit()
    }
    assert len(written) > 40 and written <= named, written - named


@pytest.mark.parametrize("line", ["unit/test_x no_test", "unit/test_x test_a, test_b"])
def test_a_line_of_another_shape_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"no_test|test_b"):
        read(f"== E1 x\n- a case\nheartbeat: x\nhere: y\n{line}\n")
