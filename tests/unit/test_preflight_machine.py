"""What this machine must grant: real-time scheduling for profile fast, nftables for a required guard.

Real commands in user namespaces, where even root is refused both (and of an own network, given nftables). Must not know
how either is asked for.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hbcore.cli.preflight import examine, guard_trouble, render
from hbcore.host import realtime
from tests.unit.mistakes import BASE, write

ROOT = Path(__file__).resolve().parents[2]
PLAIN = {
    **BASE,
    "ha.cf": BASE["ha.cf"].replace("eth0", "lo").replace("keepalive 100ms\ndeadtime 500ms\n", ""),
    "haresources": BASE["haresources"].replace("eth0", "lo"),
}
FAST = {**PLAIN, "hbcore.yaml": "schema: 1\nprofile: fast\n"}
GUARDED = {**PLAIN, "hbcore.yaml": "schema: 1\nguard: required\n"}
# As the machine node1, without a right to real time.
AS_NODE1 = """
import resource, runpy, socket, sys
socket.sethostname("node1")
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def run(module: str, *arguments: str, net: bool = False) -> subprocess.CompletedProcess[str]:
    """A command of ours as root of a user namespace, on node1; `net`: with a network of its own."""
    argv = ["unshare", "-Urn" if net else "-Ur", "--uts", sys.executable, "-c", AS_NODE1, module, *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


def check(directory: Path, *arguments: str, net: bool = False) -> tuple[int, list[str]]:
    done = run("hbcore.cli.hbctl", "check", str(directory), *arguments, net=net)
    assert done.stderr == ""
    return done.returncode, [line for line in done.stdout.splitlines() if ": note: " not in line]


def hbcored(place: Path, files: dict[str, str]) -> tuple[int, str, list[str]]:
    state, runtime = place / "state", place / "run"
    config = write(place / "ha.d", files)
    done = run("hbcore.cli.hbcored", "--config", str(config), "--state", str(state), "--runtime", str(runtime))
    return done.returncode, done.stderr, [path.name for path in (state, runtime) if path.exists()]


def test_profile_fast_is_refused_without_real_time(tmp_path: Path) -> None:
    code, said, left = hbcored(tmp_path, FAST)
    assert (code, left) == (1, [])
    (line,) = [line for line in said.splitlines() if "hbcore.yaml" in line]
    assert (
        "needs real-time scheduling" in line and "CAP_SYS_NICE" in line and line.endswith("write `profile: standard`")
    )
    told = "hbcore.yaml: profile fast needs real-time scheduling"
    assert [(code, lines[0][: len(told)]) for code, lines in [check(tmp_path / "ha.d")]] == [(1, told)]
    assert check(tmp_path / "ha.d", "--node", "node2") == (0, [])  # of another machine nothing is known


def test_profile_fast_is_accepted_where_real_time_is_granted(tmp_path: Path) -> None:
    examined = examine(write(tmp_path / "ha.d", FAST), "node1")
    assert [p.code for p in examined.problems].count("fast-needs-realtime") == bool(realtime.refused())
    assert (examined.config is None) is bool(realtime.refused())


@pytest.mark.parametrize("profile", ["standard", "vm", "wan"])
def test_the_other_profiles_need_no_real_time(tmp_path: Path, profile: str) -> None:
    directory = write(tmp_path / "ha.d", {**PLAIN, "hbcore.yaml": f"schema: 1\nprofile: {profile}\n"})
    assert check(directory) == (0, [])


def test_a_required_guard_is_refused_where_the_kernel_refuses_it(tmp_path: Path) -> None:
    code, said, left = hbcored(tmp_path, GUARDED)
    assert (code, left) == (1, [])
    (line,) = [line for line in said.splitlines() if "hbcore.yaml" in line]
    assert "192.168.100.100, 192.168.100.101 must be guarded, but nftables says EPERM here" in line
    assert line.endswith("or write `guard: auto`") and "nothing was opened" in said
    code, lines = check(tmp_path / "ha.d")
    assert (
        code == 1 and len(lines) == 1 and lines[0].startswith("hbcore.yaml: 192.168.100.100, 192.168.100.101 must be")
    )
    assert check(tmp_path / "ha.d", "--node", "node2") == (0, [])


def test_a_required_guard_is_accepted_where_the_kernel_gives_it(tmp_path: Path) -> None:
    """Over a network of its own root of the namespace may decide."""
    assert check(write(tmp_path / "ha.d", GUARDED), net=True) == (0, [])


@pytest.mark.parametrize("guard", ["auto", "off"])
def test_the_kernel_is_not_asked_where_no_guard_is_required(tmp_path: Path, guard: str) -> None:
    directory = write(tmp_path / "ha.d", {**PLAIN, "hbcore.yaml": f"schema: 1\nguard: {guard}\n"})
    code, lines = check(directory)
    assert code == 0
    assert len(lines) == (2 if guard == "off" else 0) and all("hole H6" in line for line in lines)


def test_this_kernel_answers_with_a_name_or_nothing(tmp_path: Path) -> None:
    trouble = guard_trouble()
    examined = examine(write(tmp_path / "ha.d", GUARDED), "node1")
    told = [line for line in render(examined.problems) if "must be guarded" in line]
    assert len(told) == (examined.config is None) == bool(trouble)
    assert all(trouble in line for line in told)
