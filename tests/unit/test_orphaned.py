"""What a restart with other files would leave without a manager."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hbcore.daemon.orphaned import orphaned
from hbcore.engine.config import SECOND, Address, Care, GroupDef, Resource
from hbcore.engine.group import Group
from hbcore.engine.member import Res
from tests.unit.duo import NAMES

VIP = Resource("10.0.0.1", "address", "IPaddr", (), Address("10.0.0.1", 24, "eth0"))
DISK = Resource("Filesystem", "script", "Filesystem", ("/dev/sdb1", "/srv", "ext4"))
HTTPD = Resource("httpd", "script", "httpd")
WEB = GroupDef("10.0.0.1", NAMES, (VIP, DISK, HTTPD))
WIDER = Resource("10.0.0.1", "address", "IPaddr2", (), Address("10.0.0.1", 16))
OFTEN = replace(HTTPD, care=Care(monitor_ns=SECOND))


def running(**states: Res) -> Group:
    """All of it, but for these."""
    group = Group(WEB, SECOND)
    for member in group.members:
        member.state = states.get(member.resource.kind, Res.STARTED)
    return group


@pytest.mark.parametrize(
    ("resources", "lost"),
    [
        ((VIP, DISK, HTTPD), ()),
        ((VIP, HTTPD, DISK, Resource("mysql", "script", "mysql")), ()),
        ((WIDER, DISK, OFTEN), ()),
        ((VIP, DISK), ("httpd",)),
        ((VIP, replace(DISK, args=("/dev/sdc1", "/srv", "ext4")), HTTPD), ("Filesystem",)),
        ((VIP, DISK, replace(HTTPD, agent="systemd")), ("httpd",)),
        ((DISK, HTTPD), ("10.0.0.1",)),
    ],
)
def test_what_runs_and_is_not_named_any_more(resources: tuple[Resource, ...], lost: tuple[str, ...]) -> None:
    named = [GroupDef("10.0.0.1", NAMES, resources), GroupDef("other", NAMES, (HTTPD,))]
    assert orphaned([running()], named) == ([("10.0.0.1", lost)] if lost else [])


@pytest.mark.parametrize("state", [Res.UNKNOWN, Res.STARTING, Res.STOPPING, Res.FAILED])
def test_what_is_not_known_to_be_stopped_counts_as_running(state: Res) -> None:
    one = running(httpd=state, IPaddr=Res.STOPPED, Filesystem=Res.STOPPED)
    assert orphaned([one], []) == [("10.0.0.1", ("httpd",))]


def test_a_group_at_rest_may_go() -> None:
    assert orphaned([running(**{r.kind: Res.STOPPED for r in WEB.resources})], []) == []
    assert orphaned([running()], []) == [("10.0.0.1", ("10.0.0.1", "Filesystem", "httpd"))]
