"""ha.cf as heartbeat reads it: times, order, links, and what is known but idle. Refusals are in mistakes.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hbcore.engine.config import MS, SECOND, Chosen, Media, Severity, Timing
from hbcore.engine.lease import lease_of
from hbcore.formats import directives, ha_cf, values
from hbcore.formats.text import Findings
from hbcore.formats.timing import Source, complete

NODES = "node node1 node2\nmcast eth0 225.0.0.1 694 1 0\n"
ROOT = Path(__file__).resolve().parents[2]


def read(text: str) -> ha_cf.HaCf:
    """The file read; it must be without errors."""
    parsed, problems = ha_cf.parse(text)
    assert [p for p in problems if p.severity is Severity.ERROR] == []
    return parsed


def codes(text: str) -> list[tuple[int, str]]:
    return [(p.where.line, p.code) for p in ha_cf.parse(text)[1]]


@pytest.mark.parametrize(
    "word, ns",
    [
        ("10", 10 * SECOND),
        ("1.5", 1500 * MS),
        (".5", 500 * MS),
        ("2.", 2 * SECOND),
        ("1500ms", 1500 * MS),
        ("1700msec", 1700 * MS),
        ("10MS", 10 * MS),
        ("500us", MS // 2),
        ("1500usec", 1500_000),
        ("1.5ms", 1500_000),
        ("0.000000001", 1),
        ("0", 0),
    ],
)
def test_times_as_heartbeat_reads_them(word: str, ns: int) -> None:
    assert values.time_ns(word) == ns


@pytest.mark.parametrize(
    "word", ["2s", "2sec", "3m", "3min", "1h", "1hr", "2d", "abc", "-5", "1e3", "10,", "", "5msx", "٣"]
)
def test_times_that_heartbeat_refuses(word: str) -> None:
    assert isinstance(values.time_ns(word), values.Fault)


@pytest.mark.parametrize(
    "word, write",
    [("2s", "2"), ("3min", "180"), ("1.5s", "1500ms"), (".5m", "30000ms"), ("1H", "3600"), ("1d", "86400")],
)
def test_a_unit_that_is_not_read_is_answered_with_one_that_is(word: str, write: str) -> None:
    fault = values.time_ns(word)
    assert isinstance(fault, values.Fault)
    assert dict(fault.args)["write"] == write
    assert isinstance(values.time_ns(write), int)


@pytest.mark.parametrize("ns", [MS, 350 * MS, SECOND, 2 * SECOND, 1500 * MS, 1500_000])
def test_what_is_spelled_reads_back(ns: int) -> None:
    assert values.time_ns(values.spell(ns)) == ns


@pytest.mark.parametrize("word", ["true", "on", "YES", "y", "1"])
def test_switched_on(word: str) -> None:
    assert read(NODES + f"auto_failback {word}\n").auto_failback is True


@pytest.mark.parametrize("word", ["false", "OFF", "no", "N", "0"])
def test_switched_off(word: str) -> None:
    assert read(NODES + f"auto_failback {word}\n").auto_failback is False


def test_legacy_failback_is_mapped_and_said() -> None:
    assert read(NODES + "auto_failback legacy\n").auto_failback is True
    assert codes(NODES + "auto_failback Legacy\n") == [(3, "failback-legacy")]


def test_blanks_commas_comments_and_line_ends() -> None:
    text = "\tnode  node1,node2 # both\r\n\r\n  # nothing\r\nmcast\teth0 225.0.0.1 694 1 0#close\r\n"
    text += "ping 10.0.0.1, 10.0.0.2\f\n"
    parsed = read(text)
    assert [(n.word, n.line) for n in parsed.nodes] == [("node1", 1), ("node2", 1)]
    assert [(p.word, p.line) for p in parsed.pings] == [("10.0.0.1", 5), ("10.0.0.2", 5)]
    assert parsed.links[0].where.line == 4


def test_names_fold_to_lower_case() -> None:
    assert [n.word for n in read("node NODE1.Example.COM Node2\nucast eth0 10.0.0.2\n").nodes] == [
        "node1.example.com",
        "node2",
    ]


def test_udpport_counts_from_its_line_on() -> None:
    links = read("node a b\nudpport 700\nucast eth0 10.0.0.2\nmcast eth1 225.0.0.1 695 1 1\n").links
    assert [(link.media, link.port) for link in links] == [(Media.UCAST, 700), (Media.MCAST, 695)]
    assert links[1].loop is True
    assert read("node a b\nucast eth0 10.0.0.2\n").links[0].port == 694


def test_link_names_are_unique() -> None:
    text = "node a b\nucast eth0 10.0.0.2\nmcast eth0 225.0.0.1 694 1 0\nucast eth0.2 10.0.0.3\nucast eth0 10.0.0.4\n"
    assert [link.name for link in read(text).links] == ["eth0", "eth0.2", "eth0.2.2", "eth0.3"]


def test_a_later_line_counts_and_is_said() -> None:
    assert codes(NODES + "deadtime 10\ndeadtime 20\n") == [(4, "repeated")]
    assert read(NODES + "deadtime 10\ndeadtime 20\n").times["deadtime"] == (20 * SECOND, 4)


def test_logging_is_kept() -> None:
    parsed = read(NODES + "logfile /var/log/ha-log\ndebugfile /var/log/ha-debug\nlogfacility local0\ncluster web\n")
    assert (parsed.logfile, parsed.debugfile, parsed.logfacility) == ("/var/log/ha-log", "/var/log/ha-debug", "local0")
    assert parsed.cluster == "web"
    assert read(NODES + "logfacility none\n").logfacility is None


IDLE_VALUES = {
    "apiauth": "ipfail uid=hacluster gid=haclient",
    "baud": "19200",
    "compression": "bz2",
    "coreroot": "/var/lib/heartbeat/cores",
    "crm_daemon_dir": "/usr/lib/heartbeat",
    "env": "quorum=majority",
    "hbgenmethod": "time",
    "msgfmt": "netstring",
    "uuidfrom": "nodename",
    "conn_logd_time": "60",
    "compression_threshold": "2",
    "debug": "1",
    "hopfudge": "1",
    "max_rexmit_delay": "250",
    "memreserve": "6500",
    "rtprio": "5",
}


@pytest.mark.parametrize("option", sorted(directives.IDLE))
def test_idle_directives_are_said_once_and_change_nothing(option: str) -> None:
    text = NODES + f"{option} {IDLE_VALUES.get(option, 'yes')}\n"
    (problem,) = ha_cf.parse(text)[1]
    assert (problem.where.line, problem.code) == (3, directives.IDLE[option].why)
    assert problem.severity is not Severity.ERROR
    assert ha_cf.parse(text)[0] == ha_cf.parse(NODES)[0]


@pytest.mark.parametrize("option", sorted(directives.REFUSED))
def test_refused_directives_say_why_whatever_follows(option: str) -> None:
    for rest in ("", " x", " /dev/ttyS0 y z"):
        (problem,) = ha_cf.parse(NODES + option + rest + "\n")[1]
        assert (problem.where.line, problem.code, problem.severity) == (3, directives.REFUSED[option], Severity.ERROR)


def test_the_tables_do_not_overlap_and_are_in_the_manual() -> None:
    assert directives.HONOURED & directives.IDLE.keys() == set()
    assert directives.HONOURED & directives.REFUSED.keys() == set()
    assert directives.IDLE.keys() & directives.REFUSED.keys() == set()
    manual = set(re.findall(r"`([a-z_0-9]+)`", (ROOT / "docs" / "ha.cf.md").read_text()))
    assert sorted(directives.KNOWN - manual) == []


@pytest.mark.parametrize("program", ["ipfail", "pingd"])
def test_what_the_old_children_did_is_built_in(program: str) -> None:
    assert codes(NODES + f"respawn hacluster /usr/lib/heartbeat/{program} -x\n") == [(3, "respawn-built-in")]


@pytest.mark.parametrize("line", ["crm off", "pacemaker no", "autojoin none", "autojoin None"])
def test_what_is_off_anyway_is_not_told(line: str) -> None:
    assert codes(NODES + line + "\n") == []


# -- times that are left out ---------------------------------------------------------------------------------------


def timing(**given: int) -> tuple[Timing, dict[str, Chosen], list[str]]:
    found = Findings("ha.cf")
    times = {option: (ms * MS, n) for n, (option, ms) in enumerate(given.items(), 1)}
    timing, chosen = complete(Source(times, found), Source({}, Findings("hbcore.yaml")))
    return timing, {c.option: c for c in chosen}, [p.code for p in found.close()]


def test_all_left_out_is_profile_standard() -> None:
    times, chosen, told = timing()
    assert times == Timing()
    assert list(chosen) == ["keepalive", "warntime", "deadtime", "initdead", "deadping"]
    assert told == []


@pytest.mark.parametrize("keepalive, deadtime", [(20, 500), (100, 500), (200, 1000), (2000, 10000)])
def test_keepalive_alone(keepalive: int, deadtime: int) -> None:
    times, chosen, told = timing(keepalive=keepalive)
    assert (times.keepalive_ns, times.deadtime_ns, times.warntime_ns) == (
        keepalive * MS,
        deadtime * MS,
        deadtime * MS // 2,
    )
    assert chosen["deadtime"].heartbeats == "30 s"
    assert told == []


@pytest.mark.parametrize(
    "deadtime, keepalive, initdead", [(500, 100, 12000), (10000, 1000, 12000), (30000, 1000, 30000), (200, 25, 12000)]
)
def test_deadtime_alone(deadtime: int, keepalive: int, initdead: int) -> None:
    times, chosen, told = timing(deadtime=deadtime)
    assert (times.keepalive_ns, times.initdead_ns) == (keepalive * MS, initdead * MS)
    assert times.deadping_ns == deadtime * MS
    assert "deadtime" not in chosen
    assert told == []


@pytest.mark.parametrize(
    "given, theirs",
    [
        ({"deadtime": 30000}, "30 s"),
        ({"deadtime": 8000}, "16 s"),
        ({"deadtime": 10000}, "20 s"),
        ({"deadtime": 5000}, "12 s"),
    ],
)
def test_heartbeats_own_initdead_is_told_right(given: dict[str, int], theirs: str) -> None:
    assert timing(**given)[1]["initdead"].heartbeats == theirs


def test_what_is_written_is_kept() -> None:
    times, chosen, told = timing(keepalive=2000, deadtime=30000, warntime=10000, initdead=120000, deadping=40000)
    assert times == Timing(2 * SECOND, 10 * SECOND, 30 * SECOND, 120 * SECOND, 40 * SECOND)
    assert chosen == {}
    assert told == []


@pytest.mark.parametrize("warntime, code", [(500, "warntime-late"), (900, "warntime-late"), (100, "warntime-early")])
def test_a_useless_warntime_is_warned_of(warntime: int, code: str) -> None:
    assert timing(warntime=warntime)[2] == [code]


@pytest.mark.parametrize("keepalive", [10, 20, 50, 100, 333, 1000, 2500, 60000])
@pytest.mark.parametrize("deadtime", [10, 100, 149, 300, 349, 1000, 5000, 59999])
def test_the_offered_values_are_accepted_and_the_next_ones_are_not(keepalive: int, deadtime: int) -> None:
    """`check` offers the nearest deadtime and keepalive: both must hold, and one millisecond nearer must not."""
    found = Findings("ha.cf")
    times = {"keepalive": (keepalive * MS, 1), "deadtime": (deadtime * MS, 2), "initdead": (86400 * SECOND, 3)}
    complete(Source(times, found), Source({}, Findings("hbcore.yaml")))
    errors = found.close()
    if not errors:
        lease_of(Timing(keepalive_ns=keepalive * MS, deadtime_ns=deadtime * MS))
        assert deadtime > 2 * keepalive
        return
    args = dict(errors[0].args)
    longer = values.time_ns(args["longer"])
    assert isinstance(longer, int)
    assert timing(keepalive=keepalive, deadtime=longer // MS, initdead=86400_000)[2] == []
    assert timing(keepalive=keepalive, deadtime=longer // MS - 1, initdead=86400_000)[2] != []
    if "shorter" in args:
        shorter = values.time_ns(args["shorter"])
        assert isinstance(shorter, int)
        assert timing(keepalive=shorter // MS, deadtime=deadtime, initdead=86400_000)[2] == []
        assert timing(keepalive=shorter // MS + 1, deadtime=deadtime, initdead=86400_000)[2] != []


@pytest.mark.parametrize(
    "line, code",
    [
        ("cluster a/b", "cluster-bad"),
        ("mcast et/h0 225.0.0.1 694 1 0", "device-bad"),
        ("mcast a-device-with-a-long-name 225.0.0.1 694 1 0", "device-bad"),
        ("mcast eth1 all-hosts 694 1 0", "ipv4-bad"),
        ("mcast eth1 225.0.0.1 ha-cluster 1 0", "number-bad"),
        ("mcast eth1 224.0.0.18 694 1 0", "mcast-reserved"),
        ("udpport 700", "udpport-mcast"),
        ("node node_3-", "node-bad"),
        ("node " + "n" * 65, "node-bad"),
        ("autojoin maybe", "not-one-of"),
        ("baud 300", "not-one-of"),
        ("compression lz4", "not-one-of"),
        ("msgfmt xml", "not-one-of"),
        ("conn_logd_time 1m", "time-unit-whole"),
        ("deadping 1.5s", "time-unit"),
        ("deadping 2d", "time-too-long"),
        ("ping 10.0.0.1\nping 10.0.0.1", "ping-twice"),
        ("ping " + " ".join(f"10.0.0.{n}" for n in range(1, 18)), "ping-many"),
        ("\n".join(f"mcast eth{n} 225.0.0.1 694 1 0" for n in range(1, 17)), "medium-many"),
        ("respawn root /usr/lib/heartbeat/mgmtd -v", "respawn-unneeded"),
        ("node ,", "no-value"),
        ("debug 256", "number-range"),
        ("respawn hacluster ipfail", "respawn-short"),
        ("env a=1 b=2", "idle-env"),
        ("stonith_host = * baytech secret", "refused-stonith"),
    ],
)
def test_the_rest_of_the_bounds(line: str, code: str) -> None:
    assert codes(NODES + line + "\n") == [(2 + len(line.split("\n")), code)]


def test_a_fenced_secret_does_not_show() -> None:
    for line in ("stonith_host * baytech 10.0.0.3 me hunter2", "stonith_host=* baytech 10.0.0.3 me hunter2"):
        assert "hunter2" not in repr(ha_cf.parse(NODES + line + "\n"))


def test_media_of_every_kind_on_one_port() -> None:
    parsed = read(
        "node a b\nudpport 695\nudp eth0\nbcast eth1 eth2\nucast6 eth0 fe80:0::2%eth0\nucast6 eth0 FD00::2\n"
        "mcast6 eth1 ff15:0::694 694 2 1\nbaud 115200\nserial /dev/ttyS0 /dev/ttyUSB0\n"
    )
    assert [(o.name, o.media, o.device, o.target, o.port, o.ttl, o.loop, o.baud) for o in parsed.links] == [
        ("eth0", Media.BCAST, "eth0", "", 695, 1, False, 0),
        ("eth1", Media.BCAST, "eth1", "", 695, 1, False, 0),
        ("eth2", Media.BCAST, "eth2", "", 695, 1, False, 0),
        ("eth0.2", Media.UCAST6, "eth0", "fe80::2", 695, 1, False, 0),
        ("eth0.3", Media.UCAST6, "eth0", "fd00::2", 695, 1, False, 0),
        ("eth1.2", Media.MCAST6, "eth1", "ff15::694", 694, 2, True, 0),
        ("ttyS0", Media.SERIAL, "/dev/ttyS0", "", 0, 1, False, 115200),
        ("ttyUSB0", Media.SERIAL, "/dev/ttyUSB0", "", 0, 1, False, 115200),
    ]
