"""hbcored as a service of a real systemd, which is the first program of two guests: its restart keeps everything, its
stop releases, what it manages is stopped before it at shutdown.

In User Mode Linux, since systemd is not PID 1 here; profile vm, for such machines are slow. Judged by who answers for
the address on the wire. Must not know the engine.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.asking import until
from tests.cluster.harness import TUTORIAL
from tests.cluster.machines import PING, Machines

pytestmark = [pytest.mark.needs("linux.uml", "/lib/systemd/systemd", "dbus-daemon"), pytest.mark.timeout(300)]
VIP = "192.168.100.100"
HA_CF = f"""logfile /run/host/ha-log
mcast vec0 225.100.0.1 694 1 0
node one
node two
ping {PING}
initdead 6
"""
SERVE = """cp -r /run/host/ha.d /run/ && chown -R root: /run/ha.d && mkdir -p /run/state
cat >/etc/systemd/system/web.service <<END
[Service]
ExecStart=/usr/bin/sleep infinity
END
python -m hbcore.cli.hbctl install-service >/dev/null
mkdir -p /etc/systemd/system/hbcored.service.d
cat >/etc/systemd/system/hbcored.service.d/here.conf <<END
[Service]
Environment=PYTHONPATH=$PYTHONPATH HBCORE_CONFIG=/run/ha.d HBCORE_STATE=/run/state
END
systemctl daemon-reload && systemctl start hbcored && systemctl is-active hbcored
"""
RESTARTS = 3
ANSWERS_S = 1.0  # the observer asks every 50 ms, of a machine that is slow


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Machines]:
    for name in ("one", "two"):
        config = tmp_path / name / "ha.d"
        config.mkdir(parents=True)
        (config / "ha.cf").write_text(HA_CF)
        (config / "haresources").write_text(f"one {VIP}/24/vec0 systemd:web\n")
        (config / "hbcore.yaml").write_text(f"schema: 1\nprofile: vm\ngroups:\n  {VIP}: {{weight: light}}\n")
        shutil.copy(TUTORIAL / "authkeys", config)
        (config / "authkeys").chmod(0o600)
    with Machines(("one", "two"), tmp_path, VIP, systemd=True) as machines:
        yield machines


def show(m: Machines, name: str, what: str) -> str:
    return m.run(name, f"systemctl show --property={what} --value hbcored").strip()


def watched(m: Machines, name: str) -> str:
    """The process that systemd watches, once that is pulse: the second one, which says so, has to go first."""
    pid = show(m, name, "MainPID")
    return pid if pid == m.run(name, "cat /run/hbcore/hbcored.lock").strip() else ""


def test_restart_keeps_stop_releases_and_units_end_before_us(two: Machines) -> None:
    for name in ("one", "two"):
        assert two.run(name, SERVE).strip() == "active"
    two.served("one", 60)
    until(lambda: "group-started" in two.codes("one"), 30)
    assert two.run("one", "systemctl is-active web").strip() == "active"
    web = two.run("one", "systemctl show --property=MainPID --value web")

    before = {name: len(two.codes(name)) for name in ("one", "two")}
    begun, pid = time.monotonic(), show(two, "one", "MainPID")
    for turn in range(1, RESTARTS + 1):
        assert two.run("one", "systemctl restart hbcored && systemctl is-active hbcored").strip() == "active"
        was, pid = pid, until(lambda: watched(two, "one"), 20)
        assert pid not in (was, "0") and two.run("one", f"tr '\\0' ' ' </proc/{pid}/cmdline").count("hbcored")
        until(lambda: two.codes("one").count("daemon-resumed") >= turn, 20)  # noqa: B023
        time.sleep(1)
    silent = two.longest_silence(begun)
    print(f"{RESTARTS} restarts by systemd: longest silence {silent:.3f} s")
    assert silent < ANSWERS_S and not two.owners(begun)["two_owners"]
    assert two.run("one", "systemctl show --property=MainPID --value web") == web, "the service was not touched"
    assert show(two, "one", "NRestarts") == "0"
    for name, known in before.items():
        assert not {"lapsed", "lapsed-late", "moving", "peer-lost", "abandoned"} & set(two.codes(name)[known:])
    assert "hbcored.service" in two.run("one", "systemctl show --property=Before --value web"), "stopped after us"

    two.run("one", "systemctl stop hbcored")
    two.served("two", 60)
    assert two.run("one", "systemctl is-active web").strip() == "inactive"
    until(lambda: two.run("two", "systemctl is-active web").strip() == "active", 30)  # its address comes first
    assert two.run("one", "pgrep -fc hbcore.daemon").strip() == "0"
    two.run("one", "systemctl start hbcored")
    two.served("one", 90)
