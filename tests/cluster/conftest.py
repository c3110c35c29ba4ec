"""Fixtures of the tests with a lab.

Invariant: every lab ends with its test. Must not know the engine.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.cluster.asking import at_home
from tests.cluster.auditing import Auditor
from tests.cluster.harness import Cluster


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A cluster that many tests share lives on after a failure: what its nodes said is shown with it."""
    report = yield
    if report.failed and call.when == "call":
        given = getattr(item, "funcargs", {}).values()
        for one in [part for value in given for part in (value if isinstance(value, tuple) else (value,))]:
            if isinstance(one, Cluster):
                report.sections.append(("what the nodes said", one.logs()))
                break
    return report


@pytest.fixture
def lab() -> Iterator[Cluster]:
    """Two nodes powered on that run nothing of ours: to try the lab itself."""
    with Cluster(command=()) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """The tutorial's cluster, freshly started, served by node1."""
    with Cluster() as cluster:
        cluster.start()
        cluster.wait_served(by="node1", timeout=40)
        yield cluster


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Cluster, Auditor]]:
    """One tutorial's cluster for all tests of a file, and what it was like at rest."""
    with Cluster() as c:
        c.start()
        at_home(c)
        yield c, Auditor(c)
