"""hbctl drill as an administrator uses it: files in, what it prints and its exit code out."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hbcore.cli import tale
from hbcore.cli.drill import Sum, _text
from hbcore.cli.preflight import guard_trouble
from hbcore.cli.scene import scene
from hbcore.engine.config import MS, SECOND, ClusterConfig
from hbcore.formats.load import load
from hbcore.sim.draw import HEAL_NS, Plan, plan
from hbcore.sim.faults import Fault
from hbcore.sim.judge import Judge
from hbcore.sim.run import bound_ns, build, run
from hbcore.sim.shrink import shrink
from tests.unit.mistakes import BASE, write

TREE = Path(__file__).parents[2]
HBCTL = [sys.executable, "-m", "hbcore.cli.hbctl"]


def drill(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [*HBCTL, "drill", "--config", str(directory), *words]
    return subprocess.run(line, cwd=TREE, capture_output=True, text=True, timeout=120, check=False)


# -- what cannot be drilled --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files, place, right",
    [
        ({**BASE, "haresources": ""}, "haresources: there is no group", "write `NODE ADDRESS SERVICE`"),
        ({**BASE, "ha.cf": BASE["ha.cf"].replace("mcast", "mcats")}, "ha.cf:5: ", "mcast"),
        ({name: BASE[name] for name in ("ha.cf", "haresources")}, "authkeys: ", "write it, the same on both nodes"),
    ],
)
def test_a_refusal_names_the_place_and_the_right_thing(
    tmp_path: Path, files: dict[str, str], place: str, right: str
) -> None:
    directory = write(tmp_path / "ha.d", files)
    done = drill(directory, "--seeds", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"hbctl: {directory}/{place}") and right in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_directory(tmp_path: Path) -> None:
    done = drill(tmp_path / "none")
    assert done.returncode == 2
    assert done.stderr == f"hbctl: There is no {tmp_path}/none; hbctl init writes a first configuration.\n"


def test_another_machine_is_not_drilled(tmp_path: Path) -> None:
    done = drill(write(tmp_path / "ha.d", BASE), "--host", "root@127.0.0.1")
    assert (done.returncode, done.stdout) == (2, "") and "on this machine" in done.stderr


# -- what is tried -----------------------------------------------------------------------------------------------------

TWO_WIRES = {
    **BASE,
    "ha.cf": BASE["ha.cf"].replace("mcast eth0", "mcast ens4"),
    "haresources": "node1 192.168.100.100/24/ens3 httpd\n",
}


def loaded(tmp_path: Path, files: dict[str, str]) -> ClusterConfig:
    config = load(write(tmp_path / "ha.d", files)).config
    assert config is not None
    return config


def drawn(config: ClusterConfig, capable: tuple[bool, bool] = (True, True)) -> list[Fault]:
    return [fault for seed in range(100) for fault in plan(seed, config, capable).faults]


def test_faults_strike_the_networks_of_this_cluster(tmp_path: Path) -> None:
    config = loaded(tmp_path, TWO_WIRES)
    assert build(plan(0, config), Judge()).network.service == "ens3"
    struck = {fault.device for fault in drawn(config) if fault.kind in ("card", "flap", "switch", "pair")}
    assert struck == {"ens3", "ens4"}


def test_what_nothing_would_notice_is_not_tried(tmp_path: Path) -> None:
    bare = {
        **BASE,
        "ha.cf": BASE["ha.cf"].replace("ping 192.168.100.254\n", ""),
        "haresources": "node1 httpd\n",
    }
    felt = {fault.kind for fault in drawn(loaded(tmp_path, TWO_WIRES))}
    idle = felt - {fault.kind for fault in drawn(loaded(tmp_path / "bare", bare))}
    assert idle == {"ping", "foreign", "address", "flush", "renew-pause"}
    unguarded = {fault.kind for fault in drawn(loaded(tmp_path / "unguarded", BASE), (False, False))}
    assert felt - unguarded == {"flush", "renew-pause"}


def test_faults_are_told_of_the_machine_they_strike(tmp_path: Path) -> None:
    """Machines are numbered by name, whatever the order of `node` lines."""
    swapped = {**BASE, "ha.cf": BASE["ha.cf"].replace("node node1\nnode node2", "node node2\nnode node1")}
    config = loaded(tmp_path, swapped)
    assert config.nodes == ("node2", "node1")
    one = plan(0, config)
    machines = build(one, Judge()).machines
    assert one.faults
    for fault, told in zip(one.faults, tale.faults(one), strict=True):
        assert machines[fault.node].name in told.split()


# -- what is assumed ---------------------------------------------------------------------------------------------------


def assumed(directory: Path) -> set[str]:
    return {code for code, _ in scene(directory).assumed}


def test_on_a_node_its_own_kernel_is_asked_for_the_guard(tmp_path: Path) -> None:
    here = {name: text.replace("node1", os.uname().nodename.lower()) for name, text in BASE.items()}
    directory = write(tmp_path / "ha.d", here)
    if os.geteuid() != 0:  # who may set up no guard may not ask for one either
        assert assumed(directory) == {"drill-guard-unasked"}
        return
    trouble = guard_trouble()
    assert scene(directory).capable == (not trouble,) * 2
    assert assumed(directory) == {"drill-guard-none" if trouble else "drill-guard-here"}
    without = ["capsh", "--drop=cap_net_admin", "--", "-c", 'exec "$0" "$@"']  # a root that may set up no guard
    line = [*without, *HBCTL, "drill", "--config", str(directory), "--seeds", "1"]
    done = subprocess.run(line, cwd=TREE, capture_output=True, text=True, timeout=120, check=False)
    assert "Simulated without the kernel's guard" in done.stdout and "EPERM" in done.stdout


def test_elsewhere_the_guard_is_taken_to_work_and_that_is_said(tmp_path: Path) -> None:
    directory = write(tmp_path / "ha.d", BASE)
    assert scene(directory).capable == (True, True)
    assert assumed(directory) == {"drill-guard-unasked"}


def test_nothing_is_said_of_a_guard_that_nothing_needs(tmp_path: Path) -> None:
    assert assumed(write(tmp_path / "ha.d", {**BASE, "haresources": "node1 httpd\n"})) == set()


@pytest.mark.parametrize("address, pings", [("192.168.100.100/24", 1), ("10.0.0.1/24", 0), ("192.168.100.100/32", 0)])
def test_a_ping_node_counts_on_the_network_of_the_address_alone(tmp_path: Path, address: str, pings: int) -> None:
    """As hbcored has it (daemon.facts)."""
    directory = write(tmp_path / "ha.d", {**BASE, "haresources": f"node1 {address}/eth0 httpd\n"})
    assert len(scene(directory).config.pings) == pings
    assert ("drill-no-control" in assumed(directory)) is (pings == 0)


def test_a_second_service_network_is_said_not_to_be_one(tmp_path: Path) -> None:
    two = {**BASE, "haresources": "node1 192.168.100.100/24/eth0 httpd\nnode2 192.168.100.101/24/eth1 named\n"}
    assert scene(write(tmp_path / "ha.d", two)).assumed[-1] == (
        "drill-one-network", (("service", "eth0"), ("others", "eth1")),
    )  # fmt: skip


# -- the figures -------------------------------------------------------------------------------------------------------


def test_an_outage_that_only_the_healing_ends_is_measured(tmp_path: Path) -> None:
    both_off = tuple(Fault(40 * SECOND, "power", node) for node in (0, 1))
    one = Plan(0, loaded(tmp_path, BASE), faults=both_off)
    outages = [o for o in run(one, measured=True).outages if o.unplanned]
    assert {o.group for o in outages} == {"192.168.100.100", "192.168.100.101"}
    for outage in outages:
        assert outage.open and abs(outage.length_ns - (HEAL_NS - 40 * SECOND)) < 20 * MS


def test_two_owners_are_two_as_long_as_they_are(tmp_path: Path) -> None:
    """Also where only the healing ended it: hole H3, no ping node, and the nodes cannot reach each other."""
    alone = {**BASE, "ha.cf": BASE["ha.cf"].replace("ping", "# ping")}
    result = run(Plan(0, loaded(tmp_path, alone), faults=(Fault(60 * SECOND, "pair", 0, "eth0"),)))
    lengths = [o.until_ns - o.from_ns for o in result.overlaps]
    assert lengths and all(13 * SECOND < length < 17 * SECOND for length in lengths), lengths


def test_a_slow_cluster_is_given_as_much_more_time(tmp_path: Path) -> None:
    """heartbeat's own times: with two minutes for all of it nobody would have to take over."""
    slow = BASE["ha.cf"] + "keepalive 2\ndeadtime 30\ninitdead 120\n"
    slow = "".join(line + "\n" for line in dict.fromkeys(slow.splitlines()))
    config = loaded(tmp_path, {**BASE, "ha.cf": slow})
    assert config.timing.deadtime_ns == 30 * SECOND
    one = plan(3, config)
    assert (one.pace, one.length_ns, one.heal_ns) == (10, 1200 * SECOND, 750 * SECOND)
    assert any(fault.at_ns > 75 * SECOND for n in range(5) for fault in plan(n, config).faults)
    off = Plan(0, config, faults=(Fault(200 * SECOND, "power", 0),), pace=one.pace)
    assert run(off).counts["takeovers"] == 1


def test_where_nobody_took_over_that_is_said(tmp_path: Path) -> None:
    assert "NOTHING SHOWN" in "\n".join(_text(scene(write(tmp_path / "ha.d", BASE)), Sum(runs=1), (), 1.0))


def test_a_killed_worker_is_told(tmp_path: Path) -> None:
    line = [*HBCTL, "drill", "--config", str(write(tmp_path / "ha.d", BASE)), "--seeds", "1000"]
    with subprocess.Popen(line, cwd=TREE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as playing:
        children = Path(f"/proc/{playing.pid}/task/{playing.pid}/children")
        deadline = time.monotonic() + 60
        while not (workers := children.read_text().split()):
            assert time.monotonic() < deadline and playing.poll() is None
            time.sleep(0.1)
        os.kill(int(workers[0]), signal.SIGKILL)
        out, error = playing.communicate(timeout=60)
    assert (playing.returncode, out) == (1, "") and "was killed" in error and error.count("\n") == 1


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    line = [*HBCTL, "drill", "--config", str(write(tmp_path / "ha.d", BASE)), "--seeds", "1"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(line, cwd=TREE, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 1 and done.stderr.startswith("hbctl: What was to be said could not be written")
    assert done.stderr.count("\n") == 1
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*line[:-1], "6"], cwd=TREE, env=ascii_only, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_figures_are_those_of_all_runs_and_the_same_each_time(tmp_path: Path) -> None:
    directory = write(tmp_path / "ha.d", BASE)
    one, other = (json.loads(drill(directory, "--seeds", "3", "--json").stdout) for _ in range(2))
    bounds = [bound_ns(plan(seed, load(directory).config)) / MS for seed in range(3)]
    assert one["bound_ms"] == max(bounds) > bounds[0]
    assert one["runs"] == 3 and one["simulated_s"] == 360 and one["broken"] == []
    assert {**one, "speed": 0} == {**other, "speed": 0}


def test_a_light_group_without_a_guard_is_where_its_address_answers(tmp_path: Path) -> None:
    """Its service goes on for a while where pulse took the address off, and that is no second owner."""
    unguarded = {**BASE, "hbcore.yaml": "schema: 1\nguard: off\n"}
    hangs = (Fault(15 * SECOND, "hang", 0, "eth0", 20 * SECOND),)
    result = run(Plan(0, loaded(tmp_path, unguarded), faults=hangs))
    assert result.counts["losses"] and not result.overlaps and result.good


def test_what_does_not_fail_again_is_not_shrunk(tmp_path: Path) -> None:
    one = plan(1, loaded(tmp_path, BASE))
    assert one.faults and run(one).good
    assert shrink(one) == one


# -- on a node that serves ---------------------------------------------------------------------------------------------


def begun(directory: Path) -> tuple[subprocess.Popen[str], list[int], int]:
    """A drill that would go on for hours, after some runs; its workers; the terminal it tells its progress."""
    line = [*HBCTL, "drill", "--config", str(directory), "--seeds", "100000"]
    screen, terminal = pty.openpty()
    main = subprocess.Popen(line, cwd=TREE, stdout=subprocess.PIPE, stderr=terminal, text=True, start_new_session=True)
    os.close(terminal)
    shown = b""
    while b"\r2 of 100000 runs" not in shown:
        shown += os.read(screen, 4096)  # OSError where it ended
    return main, [int(pid) for pid in Path(f"/proc/{main.pid}/task/{main.pid}/children").read_text().split()], screen


def gone(pids: list[int]) -> bool:
    end = time.monotonic() + 5
    while left := [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists()]:
        if time.monotonic() > end:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.05)
    return True


def test_real_work_goes_first_and_ctrl_c_tells_what_was_found(tmp_path: Path) -> None:
    main, workers, screen = begun(write(tmp_path / "ha.d", BASE))
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in (main.pid, *workers)} == {19}
    os.killpg(main.pid, signal.SIGINT)
    out, _ = main.communicate(timeout=20)
    assert main.returncode == 130 and len(workers) == len(os.sched_getaffinity(0)) and gone(workers)
    assert "Traceback" not in os.read(screen, 1 << 20).decode()
    assert "Tried: " in out and "Held: " in out
    os.close(screen)


def test_no_worker_outlives_the_command(tmp_path: Path) -> None:
    main, workers, screen = begun(write(tmp_path / "ha.d", BASE))
    main.kill()
    main.communicate(timeout=20)
    assert workers and gone(workers)
    os.close(screen)


def test_a_reader_that_goes_is_no_error(tmp_path: Path) -> None:
    directory = write(tmp_path / "ha.d", BASE)
    command = f"set -o pipefail; {' '.join(HBCTL)} drill --config {directory} --seeds 1 | true"
    done = subprocess.run(["bash", "-c", command], cwd=TREE, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


# -- a promise that is broken ------------------------------------------------------------------------------------------

MUTANT = """
import sys
from tests.mutants.catalogue import MUTANTS
from tests.mutants.edit import put_in_force

put_in_force(MUTANTS["initdead-not-waited"].edits)
from hbcore.cli.hbctl import main

sys.exit(main(sys.argv[1:]))
"""


def test_what_broke_is_told_in_a_few_lines(tmp_path: Path) -> None:
    line = [sys.executable, "-c", MUTANT, "drill", "--config", str(write(tmp_path / "ha.d", BASE)), "--seeds", "1"]
    done = subprocess.run(line, cwd=TREE, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    text, _, tale_of_it = done.stdout.partition("\nSeed 0, faults: 0. ")
    assert "BROKE: 1 of 1 runs" in text and "Held: " not in text
    assert "BROKEN " in tale_of_it and len(tale_of_it.splitlines()) < 10
