"""The window over a real sshd: an unknown host is asked about, then the screen is live and acts from afar."""

from __future__ import annotations

import pytest

from hbtui.app import HbApp
from tests.cluster.test_ssh import Place, place
from tests.tui.driving import NARROW, Window
from tests.tui.fixtures import Cluster, two_nodes

__all__ = ["place"]
pytestmark = pytest.mark.needs("sshd", "ssh", "ssh-keygen", "ssh-agent", "ps", "setpriv")


async def test_from_an_unknown_host_to_a_plan(place: Place) -> None:
    place.known.write_text("")
    app = HbApp(["node1"])
    async with app.run_test(size=NARROW, notifications=True) as pilot:
        it = Window(app, pilot, Cluster(two_nodes()), place.dir)
        await it.shows("Unknown SSH host", "SHA256:", "Trust once", seconds=20.0)
        await it.press("o")
        await it.shows("ssh node1", "live", "httpd", "ADMIN", seconds=20.0)
        await it.press("s")
        await it.shows("Standby node1", "40.0 ms")
        await it.press("y")
        await it.shows("Settled after")
    (action,), (actor,) = place.cluster.acted, place.cluster.actors
    assert action.verb == "standby" and actor.tool == "hbtui" and actor.ssh.startswith("127.0.0.1 ")


async def test_a_host_that_is_not_trusted_stays_unconnected(place: Place) -> None:
    place.known.write_text("")
    app = HbApp(["node1"])
    async with app.run_test(size=NARROW, notifications=True) as pilot:
        it = Window(app, pilot, Cluster(two_nodes()), place.dir)
        await it.shows("Unknown SSH host", seconds=20.0)
        await it.press("enter")
        await it.shows("disconnected", seconds=10.0)
        assert "httpd" not in it.text
