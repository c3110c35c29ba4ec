"""The clock of one machine is set forward a day and back two: nothing lapses, nobody is lost, nothing moves; and a node
that starts again in its own past is heard as before.

In User Mode Linux, for namespaces share this machine's clock; with profile vm, for such machines are slow. Judged by
who answers for the address on the wire. Must not know the engine.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.asking import MOVES, until
from tests.cluster.harness import TUTORIAL
from tests.cluster.machines import PING, Machines

VIP = "192.168.100.100"
HA_CF = f"""logfile /run/host/ha-log
mcast vec0 225.100.0.1 694 1 0
node one
node two
ping {PING}
initdead 6
"""
OWN = "cp -r /run/host/ha.d /run/ && chown -R root: /run/ha.d"  # on the host they are whoever's who runs the test
HBCORED = "python -m hbcore.cli.hbcored --config /run/ha.d --state /run/state"
START = f"{OWN}\nsetsid {HBCORED} >>/run/host/hbcored.err 2>&1 &\necho $! >/run/host/pid\n"
BAD = {*MOVES, "peer-lost", "lapsed", "lapsed-late", "stalled", "peer-one-way"}
JUMPS = ("+1 day", "-2 days")
STAYS_S = 3.2  # the deadtime is 3 s


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Machines]:
    for name in ("one", "two"):
        config = tmp_path / name / "ha.d"
        config.mkdir(parents=True)
        (config / "ha.cf").write_text(HA_CF)
        (config / "haresources").write_text(f"one {VIP}/24/vec0\n")
        (config / "hbcore.yaml").write_text("schema: 1\nprofile: vm\n")
        shutil.copy(TUTORIAL / "authkeys", config)
        (config / "authkeys").chmod(0o600)
    with Machines(("one", "two"), tmp_path, VIP) as machines:
        yield machines


@pytest.mark.needs("linux.uml", "cc")
def test_a_clock_that_jumps_moves_nothing(two: Machines) -> None:
    begun = time.monotonic()
    for name in ("one", "two"):
        two.run(name, START)
    two.served("one", 40)
    until(lambda: all("peer-two-way" in two.codes(name) for name in ("one", "two")))
    seen = {name: len(two.codes(name)) for name in ("one", "two")}
    calm = time.monotonic()
    for name in ("one", "two"):
        for jump in JUMPS:
            before = int(two.run(name, "date +%s"))
            after = int(two.run(name, f"date -s '{jump}' >/dev/null; date +%s"))
            assert abs(after - before) > 1, "it is the guest's own"
            time.sleep(STAYS_S)
    for name in ("one", "two"):
        assert not BAD & set(two.codes(name)[seen[name] :]), two.codes(name)
    silence = two.longest_silence(calm)
    print(f"longest silence while it jumped: {silence * 1000:.0f} ms")
    assert silence < 2.5, "shorter than a takeover"

    two.run("one", "date -s '-3 days'; kill $(cat /run/host/pid)")  # and starts in its own past
    two.served("two", 30)
    two.run("one", START)
    two.served("one", 60)
    two.run("two", "date -s '+4 days'")
    two.power_off("one")
    two.served("two", 30)
    judged = two.owners(begun)
    assert not judged["two_owners"], judged["conflicts"]
    assert "Traceback" not in "".join((two.folder(name) / "hbcored.err").read_text() for name in ("one", "two"))
