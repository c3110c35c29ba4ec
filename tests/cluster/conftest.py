"""Fixtures of the tests with a lab.

Invariant: every lab ends with its test. Must not know the engine.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.harness import Cluster


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
