"""What two nodes compare of their files: the same on every version and machine."""

from __future__ import annotations

from dataclasses import replace

from hbcore.engine.config import MS, GroupDef, Guard, Link, Media, Resource, Timing
from tests.unit.duo import config

WEB, ALL = 1049586774, 365315065  # of the tutorial's cluster: another value parts nodes of two versions


def test_a_digest_is_that_of_every_version_and_fits_into_a_beat() -> None:
    assert config().groups[0].digest() == WEB and config().digest() == ALL
    digests = [GroupDef(f"g{n}", ("a", "b"), (Resource("x", "script", "x"),)).digest() for n in range(64)]
    assert len(set(digests)) == 64 and max(digests) < 2**32 and max(digests) > 2**31


def test_what_must_be_equal_changes_it_and_nothing_else() -> None:
    one = config()
    (web,) = one.groups
    asked = replace(web, guard=Guard.REQUIRED)
    others = (
        replace(one, nodes=("node1", "node3")), replace(one, timing=Timing(deadtime_ns=600 * MS)),
        replace(one, auto_failback=False), replace(one, groups=(asked,)), replace(one, groups=()),
    )  # fmt: skip
    assert len({one.digest(), *(other.digest() for other in others)}) == 1 + len(others)
    elsewhere = (Link("eth1", Media.UCAST, "eth1", "10.0.0.2", 694),)
    same = (replace(one, nodes=one.nodes[::-1]), replace(one, links=elsewhere))
    assert {other.digest() for other in same} == {one.digest()}
