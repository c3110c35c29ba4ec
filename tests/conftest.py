"""What all tests share: marks, and the count of tests that were not run.

Owns the closing lines of a run. Invariant: a test that was not run is counted with its reason, and as root fails the
run (a known failure counts as not run). Must not know any part of the house.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict

import hypothesis
import pytest

from tests import programs

ROOT = os.geteuid() == 0

# Two busy cores make single examples slow; a deadline for one example would only measure the neighbours.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

_not_run: Counter[str] = Counter()
_seconds: defaultdict[str, float] = defaultdict(float)
_tests: Counter[str] = Counter()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        missing = [program for program in mark.args if programs.found(program) is None]
        if missing:
            pytest.skip(f"missing {', '.join(missing)} (packages.apt)")


def _reason(report: pytest.CollectReport | pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):  # (file, line, "Skipped: why")
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(getattr(report, "wasxfail", "")) or "no reason given"


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _not_run[_reason(report)] += 1


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    kind = "/".join(report.nodeid.split("/")[:2])
    _seconds[kind] += report.duration
    _tests[kind] += report.when == "call"
    if report.skipped:
        _not_run[_reason(report)] += 1


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if ROOT and _not_run and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    line = terminalreporter.write_line
    for kind in sorted(_tests):
        line(f"{kind}: {_tests[kind]} tests, {_seconds[kind]:.0f} s")
    for reason, count in _not_run.most_common():
        line(f"not run: {count}: {reason}", yellow=not ROOT, red=ROOT)
    if ROOT and _not_run:
        line("as root every test runs: this run has failed", red=True)
