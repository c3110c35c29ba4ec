"""hbctl explain: for each configuration the sentences that are true of it, with its own times.

Files in, printed text and JSON out; the times are worked out here by hand (safety.md 1), not by the lease's code.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.mistakes import BASE, write

TREE = Path(__file__).parents[2]
FAULTS = {
    "when-power", "when-frozen", "when-process", "when-paused", "when-one-link", "when-all-links", "when-idle",
    "when-boot", "when-leave", "when-service", "when-start", "when-stop",
}  # fmt: skip
HEAVY = BASE["haresources"].replace("httpd", "Filesystem::/dev/sdb1::/srv::ext4 httpd")
QUIET = BASE["ha.cf"].replace("keepalive 100ms\ndeadtime 500ms\ninitdead 12\n", "").replace("auto_failback on\n", "")


def hbctl(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hbcore.cli.hbctl", *words]
    return subprocess.run(argv, cwd=TREE, capture_output=True, text=True, timeout=30, check=False)


def told(tmp_path: Path, **changed: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The whole, and each fault's sentences in one text: ours, then `heartbeat`, then `holes`."""
    names = {"ha_cf": "ha.cf", "hbcore_yaml": "hbcore.yaml"}
    files = {**BASE, **{names.get(name, name): text for name, text in changed.items()}}
    done = hbctl("explain", str(write(tmp_path / "ha.d", files)), "--json")
    assert done.stderr == "" and done.returncode == 0
    whole = json.loads(done.stdout)
    parts = {
        f["code"]: "\n".join(f"{kind}: {s['text']}" for kind in ("here", "heartbeat", "holes") for s in f[kind])
        for f in whole["faults"]
    }
    assert parts.keys() >= FAULTS
    assert not any("{" in text for text in parts.values())
    return whole, parts


def test_a_light_cluster_with_the_standard_times(tmp_path: Path) -> None:
    whole, faults = told(tmp_path)
    assert whole["nodes"] == ["node1", "node2"]
    assert [(g["name"], g["home"], g["kind"]) for g in whole["groups"]] == [
        ("192.168.100.100", "node1", "gated"), ("192.168.100.101", "node2", "gated"),
    ]  # fmt: skip
    assert "here: 192.168.100.100, 192.168.100.101: on the other node about 700 ms after" in faults["when-power"]
    assert "192.168.100.254 without a break for 500 ms" in faults["when-power"]
    assert "well for 1 s (auto_failback on)" in faults["when-power"]
    assert "shuts the address 350 ms after" in faults["when-frozen"] and "holes" not in faults["when-frozen"]
    assert "takes its addresses off 300 ms after" in faults["when-all-links"]
    assert "hole-H2" in json.dumps(whole) and "hole-H3" not in json.dumps(whole)
    assert "waits for 12 s" in faults["when-boot"]
    assert "neither has reached it for 500 ms" in faults["when-ping"]
    assert "H1" not in json.dumps(whole) and "H4" not in json.dumps(whole) and "H7" not in json.dumps(whole)


def test_other_times_other_figures(tmp_path: Path) -> None:
    """D 10 s, h 2 s: L = min(6 s, 10 - 2 - 0.05 - 0.05) = 6 s; the gate 6.05 s, the takeover 14 s."""
    ha_cf = BASE["ha.cf"].replace("100ms", "2").replace("500ms", "10").replace("initdead 12", "initdead 60")
    _, faults = told(tmp_path, ha_cf=ha_cf)
    assert "about 14 s after the last heartbeat: 10 s of silence" in faults["when-power"]
    assert "6.05 s after the lease" in faults["when-frozen"]
    assert "heartbeat: each node calls the other dead after 10 s" in faults["when-all-links"]
    assert "wait 11 s" in faults["when-all-links"]
    assert "waits for 60 s" in faults["when-boot"]


def test_profile_fast(tmp_path: Path) -> None:
    """D 100 ms, L 50 ms, W 15 ms; a claim of two beats is shorter than a round of questions, 100 ms."""
    ha_cf = QUIET.replace("node node1", "auto_failback on\nnode node1")
    _, faults = told(tmp_path, ha_cf=ha_cf, hbcore_yaml="schema: 1\nprofile: fast\n")
    assert "about 200 ms after the last heartbeat: 100 ms of silence" in faults["when-power"]
    assert "shuts the address 65 ms after" in faults["when-frozen"]
    assert "the old protocol" not in faults["when-power"]


def test_what_the_files_leave_out_heartbeat_took_from_itself(tmp_path: Path) -> None:
    _, faults = told(tmp_path, ha_cf=QUIET)
    assert "takes everything 30 s after" in faults["when-power"] and "the old protocol" in faults["when-power"]
    assert "wait 31 s" in faults["when-all-links"]
    assert "heard, or 30 s" in faults["when-boot"] and "waits for 12 s" in faults["when-boot"]


def test_a_heavy_group_waits_for_somebody(tmp_path: Path) -> None:
    whole, faults = told(tmp_path, haresources=HEAVY)
    assert [g["kind"] for g in whole["groups"]] == ["heavy", "gated"]
    assert (
        "192.168.100.100: on the other node about 700 ms after the last heartbeat, where neither"
        in faults["when-power"]
    )
    assert "192.168.100.100: goes on there without a manager" in faults["when-frozen"]
    assert "--confirm-off" in faults["when-frozen"] and "hole" not in faults["when-power"]
    assert "192.168.100.101: the kernel shuts" in faults["when-frozen"]
    holes = {f["code"]: [h["code"] for h in f["holes"]] for f in whole["faults"]}
    assert holes["when-frozen"] == ["hole-H4"]
    assert holes["when-paused"] == ["hole-H5", "hole-H1"]
    assert holes["when-all-links"] == ["hole-H2", "hole-H1"]


def test_a_group_without_an_address_and_one_without_a_guard(tmp_path: Path) -> None:
    yaml = "schema: 1\ngroups:\n  192.168.100.101: {guard: off}\n"
    whole, faults = told(tmp_path, haresources=BASE["haresources"] + "node1 haproxy\n", hbcore_yaml=yaml)
    assert [g["kind"] for g in whole["groups"]] == ["gated", "open", "bare"]
    assert (
        "192.168.100.101: has no guard in the kernel" in faults["when-frozen"] and "5 s more" in faults["when-frozen"]
    )
    assert "haproxy: cannot be silenced" in faults["when-frozen"]
    assert "keeps answering there for up to 5 s" in faults["when-frozen"]
    assert "haproxy: nothing moves as long as the owner's machine answers" in faults["when-all-links"]
    assert "without an address" in faults["when-all-links"]


def test_without_a_ping_node(tmp_path: Path) -> None:
    whole, faults = told(tmp_path, ha_cf=BASE["ha.cf"].replace("ping 192.168.100.254\n", ""))
    assert "when-ping" not in faults
    assert "hole-H3" in json.dumps(whole) and "hole-H2" not in json.dumps(whole)
    assert "the gateway of an address's network" in faults["when-all-links"]


def test_paths_on_other_wires(tmp_path: Path) -> None:
    _, one = told(tmp_path / "one")
    assert "eth0 is the only path" in one["when-one-link"] and "when-card" not in one
    both = BASE["ha.cf"] + "mcast eth1 225.0.0.1 694 1 0\n"
    _, two = told(tmp_path / "two", ha_cf=both)
    assert "shown as down after 500 ms" in two["when-one-link"]
    assert "without ipfail nobody acts" in two["when-card"]
    assert "a little more than 500 ms later" in two["when-card"]
    respawn = "respawn hacluster /usr/lib/heartbeat/ipfail\n"
    _, three = told(tmp_path / "three", ha_cf=both + respawn)
    assert "called dead (500 ms)" in three["when-card"] and "away 200 ms later" in three["when-card"]


def test_weak_keys_and_failback_off(tmp_path: Path) -> None:
    ha_cf = BASE["ha.cf"].replace("auto_failback on", "auto_failback off")
    whole, faults = told(tmp_path, authkeys="auth 1\n1 sha1 0576e27920f46d92\n", ha_cf=ha_cf)
    assert any(s["code"] == "hole-H7" and "64 bit" in s["text"] for s in whole["said"])
    assert "stay where they are (auto_failback off)" in faults["when-power"]


def test_a_service_that_dies_is_noticed_here_alone(tmp_path: Path) -> None:
    _, faults = told(tmp_path)
    assert "here: noticed within 10 s" in faults["when-service"] and "more than 3 times" in faults["when-service"]
    assert "heartbeat: not noticed" in faults["when-service"]


HTTPD = BASE["haresources"].replace("httpd", "httpd mydb")
CARE = """schema: 1
groups:
  192.168.100.100:
    resources:
      httpd: {monitor: 30, start: 300, on_fail: move}
      mydb: {monitor: never, stop: 120}
"""


def test_what_hbcore_yaml_says_of_single_resources(tmp_path: Path) -> None:
    whole, faults = told(tmp_path, haresources=HTTPD, hbcore_yaml=CARE)
    first, second = (group["care"] for group in whole["groups"])
    assert [line.rpartition("brackets): ")[2] for line in first] == [
        "monitor 30 s (10 s), start 300 s (60 s), on_fail move (restart)",
        "monitor never (10 s), stop 120 s (60 s)",
    ]
    assert "httpd" in first[0] and "mydb" in first[1] and second == []
    services = faults["when-service"].splitlines()
    httpd, mydb, rest = (f"here: {one}: " for one in OF)
    assert services[0].startswith(httpd + "noticed within 30 s: the group moves to the other node at once")
    assert services[1].startswith(mydb + "not noticed")
    assert services[2].startswith(rest + "noticed within 10 s") and "more than 3 times within 600 s" in services[2]
    assert httpd + "a start that hangs has failed after 300 s" in faults["when-start"]
    assert f"here: {OF[1]}, {OF[2]}: a start that hangs has failed after 60 s" in faults["when-start"]
    assert mydb + "a stop that hangs is ended after 120 s" in faults["when-stop"]
    text = hbctl("explain", str(tmp_path / "ha.d")).stdout
    assert f"    {first[0]}\n    {first[1]}\n" in text


OF = ("httpd of 192.168.100.100", "mydb of 192.168.100.100", "named of 192.168.100.101")


def test_addresses_alone_have_no_service_that_dies(tmp_path: Path) -> None:
    _, faults = told(tmp_path, haresources="node1 192.168.100.100/24/eth0\n")
    assert faults["when-service"].splitlines() == [
        "here: an address that somebody takes off is put on again", "heartbeat: not noticed",
    ]  # fmt: skip
    assert "here: a st" not in faults["when-start"] + faults["when-stop"]


def test_each_kind_of_link_is_named(tmp_path: Path) -> None:
    ha_cf = BASE["ha.cf"] + "bcast eth1\nucast6 eth0 fd00::2\nbaud 115200\nserial /dev/ttyS0\n"
    whole, _ = told(tmp_path, ha_cf=ha_cf)
    beat = next(s["text"] for s in whole["said"] if s["code"] == "explain-beat")
    assert "eth1 (broadcast), eth0 (fd00::2), /dev/ttyS0 (115200 baud, there each 100 ms)" in beat


def test_a_hole_says_whose_it_is(tmp_path: Path) -> None:
    told(tmp_path, haresources=HEAVY)
    text = hbctl("explain", str(tmp_path / "ha.d")).stdout
    assert "  hole H1: 192.168.100.100: if the other node" in text and "  hole H2: if every direct path" in text


def test_the_text_says_the_same(tmp_path: Path) -> None:
    whole, _ = told(tmp_path)
    done = hbctl("explain", str(tmp_path / "ha.d"))
    assert done.returncode == 0
    for fault in whole["faults"]:
        assert f"\n{fault['text']}\n" in done.stdout
        assert all(f"  {said['text']}\n" in done.stdout for said in fault["here"])
        assert all(f"  heartbeat 3: {said['text']}\n" in done.stdout for said in fault["heartbeat"])
        assert all(f": {hole['text']}\n" in done.stdout for hole in fault["holes"])
    assert "192.168.100.100/24/eth0/192.168.100.255  httpd" in done.stdout


@pytest.mark.parametrize(
    "files, word",
    [
        ({**BASE, "ha.cf": BASE["ha.cf"].replace("mcast", "mcats")}, "ha.cf:5: "),
        ({name: BASE[name] for name in ("ha.cf", "haresources")}, "authkeys: "),
    ],
)
def test_files_with_an_error_are_not_explained(tmp_path: Path, files: dict[str, str], word: str) -> None:
    directory = write(tmp_path / "ha.d", files)
    done = hbctl("explain", str(directory))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"hbctl: {directory}/{word}") and "then explain again" in done.stderr


def test_no_directory_and_no_other_machine(tmp_path: Path) -> None:
    assert hbctl("explain", str(tmp_path / "none")).returncode == 2
    assert hbctl("explain", "--host", "node1").returncode == 2
