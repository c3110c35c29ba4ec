"""Heartbeat 3.0.6 row by row: every directive has an answer, and E1 to E3 of our notes on it are what they should be.

E1 is the grammar of times, E2 the order, the words and the modes of authkeys, E3 the lines of haresources. The files of
heartbeat's own BasicSanityCheck are read, too. Must not know how anything is parsed: files in, printed lines out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hbcore.cli.preflight import examine, render
from hbcore.engine.config import MS, Severity
from hbcore.formats import ha_cf, haresources
from hbcore.formats.directives import HONOURED, IDLE, KNOWN, REFUSED
from tests.unit.mistakes import BASE, write

# all that heartbeat 3.0.6 knows, and what it is answered with here
HONOURS = """
node autojoin cluster keepalive deadtime warntime initdead deadping mcast ucast ping udpport logfacility logfile
debugfile respawn pacemaker crm auto_failback
"""
SAYS = """
uuidfrom hbgenmethod conn_logd_time max_rexmit_delay baud hopfudge use_logd syslogmsgfmt log_badpack debug coredumps
coreroot realtime rtprio memreserve msgfmt compression compression_threshold traditional_compression env normalpoll
use_apphbd apiauth crm_daemon_dir crmd_spawns_pengine record_config_changes record_pengine_inputs enable_config_writes
"""
REFUSES = """
quorum_server bcast udp mcast6 ucast6 serial ping6 ping_group hbaping rds tipc watchdog failfast nice_failback stonith
stonith_host
"""


def said(tmp_path: Path, **changed: str) -> list[str]:
    """What check says of the base with another ha.cf, authkeys or haresources; notes are left out."""
    files = {**BASE, **{name.replace("_", "."): text for name, text in changed.items()}}
    problems = examine(write(tmp_path / "ha.d", files), here=False).problems
    return [line for line in render(problems) if ": note: " not in line]


# -- every directive ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [*HONOURS.split(), *SAYS.split(), *REFUSES.split()])
def test_every_directive_of_heartbeat_has_an_answer(word: str) -> None:
    assert word in KNOWN
    _, problems = ha_cf.parse(f"{word} 1 2 3\n")
    assert not any(p.code.startswith("unknown") for p in problems)
    if word in IDLE or word in REFUSED:
        assert [p.where.line for p in problems if p.where.line] == [1]
        sentence = next(line for line in render(problems) if line.startswith("ha.cf:1: "))
        assert any(advice in sentence for advice in ("write ", "remove ", "has no effect: ")), sentence


def test_what_is_known_beyond_heartbeat_was_believed_to_be_its() -> None:
    """And another helper of ours may honour what is refused today: only that all of it has an answer is asked here."""
    everything = {*HONOURS.split(), *SAYS.split(), *REFUSES.split()}
    assert everything <= KNOWN
    assert KNOWN - everything == {"site", "weight"}
    assert not HONOURED & IDLE.keys() and not HONOURED & REFUSED.keys() and not IDLE.keys() & REFUSED.keys()


@pytest.mark.parametrize("helper", ["ipfail", "pingd", "mgmtd", "dopd", "ccm", "stonithd", "lrmd", "ha_logd"])
def test_helpers_are_known_by_name_whether_they_are_there_or_not(helper: str, tmp_path: Path) -> None:
    assert not Path(f"/nowhere/{helper}").exists()
    ha = BASE["ha.cf"] + f"respawn hacluster /nowhere/{helper} -x\n"
    examined = examine(write(tmp_path / "ha.d", {**BASE, "ha.cf": ha}), here=False)
    (line,) = [line for line in render(examined.problems) if line.startswith("ha.cf:10: ")]
    assert line.startswith(f"ha.cf:10: note: {helper} ") and examined.config is not None


def test_a_nodeinfo_is_not_passed_over(tmp_path: Path) -> None:
    directory = write(tmp_path / "ha.d", BASE)
    (directory / "nodeinfo").write_text("node2\n")
    told = render(examine(directory, here=False).problems)
    assert any(line.startswith("nodeinfo: warning: ") and "uname -n" in line for line in told)


# -- E1: times ---------------------------------------------------------------------------------------------------------

# what heartbeat's library makes of it (in ms; None: an error), and what we do: nanoseconds, or a word of the error
TIMES: dict[str, tuple[int | None, int | str]] = {
    "10": (10_000, 10_000 * MS),
    "1.5": (1500, 1500 * MS),
    ".5": (500, 500 * MS),
    "1.7": (1700, 1700 * MS),
    "1500ms": (1500, 1500 * MS),
    "1700msec": (1700, 1700 * MS),
    "10MS": (10, 10 * MS),
    "500us": (1, 500_000),  # heartbeat rounds to whole milliseconds
    "1500usec": (2, 1_500_000),
    "1.5ms": (2, 1_500_000),
    "10,": (10_000, 10_000 * MS),  # a comma separates values, and there is but one
    "2s": (None, "write 2 (seconds) or 2000ms"),
    "2sec": (None, "write 2 (seconds) or 2000ms"),
    "3m": (None, "write 180 (seconds)"),
    "3min": (None, "write 180 (seconds)"),
    "1h": (None, "write 3600 (seconds)"),
    "1hr": (None, "write 3600 (seconds)"),
    "2d": (None, "more than a day"),
    "abc": (None, "no time"),
    "-5": (None, "no time"),
    "1e3": (None, "no time"),
    "5msx": (5, "no unit msx"),  # heartbeat looks at the beginning of a unit only
    "10 ms": (None, "deadping 10ms"),  # split at the blank, "ms" is a second, bad value
    "10 20": (20_000, "one value"),  # heartbeat takes the last
    "0": (0, "cannot be 0"),
    "": (0, "half finished"),  # a silent no-op in heartbeat
}


@pytest.mark.parametrize("word", TIMES)
def test_e1_the_grammar_of_times(word: str) -> None:
    ours = TIMES[word][1]
    read, problems = ha_cf.parse(f"deadping {word}\nnode a b\nmcast eth0 225.0.0.1 694 1 0\n")
    errors = [line for line in render(problems) if "warning" not in line]
    if isinstance(ours, int):
        assert errors == [] and read.times == {"deadping": (ours, 1)}
    else:
        (line,) = errors
        assert line.startswith("ha.cf:1: ") and ours in line and read.times == {}


# -- E2: authkeys ------------------------------------------------------------------------------------------------------

KEY = "6b1f0c9a7e2d4f58b3a1c0d9e8f70615"


@pytest.mark.parametrize(
    "text, line, word",
    [
        (f"1 sha256 {KEY}\nauth 1\n", 2, "must come before the key it names (line 1)"),
        (f"auth 1\n1 sha256 {KEY} more\n", 2, "would be dropped"),
        (f"auth 1\n1 sha256 {KEY}\n2 sha1 two words\n", 3, "as one word"),
        (f"auth 1\n1 sha256 {KEY}\n1 sha1 {KEY}\n", 3, "already stands in line 2"),
        (f"auth 2\n1 sha256 {KEY}\n", 1, "no key 2"),
        (f"auth 1\n1 crc {KEY}\n", 2, "doesn't use a key"),
        ("auth 1\n1 sha256\n", 2, "requires"),
        (f"auth 16\n16 sha256 {KEY}\n", 1, "0 to 15"),
        (f"1 sha256 {KEY}\n", 0, "no key is chosen"),
    ],
)
def test_e2_order_and_words(text: str, line: int, word: str, tmp_path: Path) -> None:
    told = [sentence for sentence in said(tmp_path, authkeys=text) if "warning" not in sentence]
    assert told[0].startswith(f"authkeys:{line}: " if line else "authkeys: ") and word in told[0]
    assert KEY not in "".join(told)


def test_e2_a_number_sign_within_a_key_is_part_of_it_and_0_is_a_number(tmp_path: Path) -> None:
    text = f"# the keys\nauth 0\n0 sha256 {KEY}#{KEY}\n"
    examined = examine(write(tmp_path / "ha.d", {**BASE, "authkeys": text}), here=False)
    assert examined.keys is not None and examined.keys.signer.secret == f"{KEY}#{KEY}".encode()


# heartbeat looks at the read bits of group and others alone: 0620 and 0601 passed
@pytest.mark.parametrize("mode", [0o640, 0o660, 0o620, 0o604, 0o602, 0o601, 0o644, 0o777])
def test_e2_nobody_else_may_touch_the_keys(mode: int, tmp_path: Path) -> None:
    directory = write(tmp_path / "ha.d", BASE)
    (directory / "authkeys").chmod(mode)
    examined = examine(directory, here=False)
    (line,) = [line for line in render(examined.problems) if line.startswith("authkeys")]
    assert line == f"authkeys: its mode is {mode:04o}, so others could read the keys: chmod 600 {directory}/authkeys"
    assert examined.config is None and examined.keys is None


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_e2_the_owner_alone_may(mode: int, tmp_path: Path) -> None:
    directory = write(tmp_path / "ha.d", BASE)
    (directory / "authkeys").chmod(mode)
    assert examine(directory, here=False).keys is not None


# -- E3: haresources ---------------------------------------------------------------------------------------------------


def groups(text: str) -> tuple[list[tuple[str, list[str]]], list[str]]:
    read, problems = haresources.parse(text)
    return [(g.node, [r.name for r in g.resources]) for g in read], render(problems)


def test_e3_a_comment_on_a_continued_line_makes_no_resources() -> None:
    """heartbeat makes three resources of it."""
    read, told = groups("node1 10.0.0.1 \\\n   httpd # the web\n")
    assert read == [("node1", ["10.0.0.1", "httpd"])]
    assert len(told) == 1 and told[0].startswith("haresources:2: warning: ") and "line of its own" in told[0]
    read, told = groups("node1 10.0.0.1 \\ # the address\n   httpd\n")
    assert read == [] and len(told) == 1 and told[0].startswith("haresources:1: ") and "line of its own" in told[0]


def test_e3_dotted_names_are_names_and_no_expressions(tmp_path: Path) -> None:
    """heartbeat's `node.c` is a regular expression, and selects nodeXc, too."""
    ha = BASE["ha.cf"].replace("node node1\nnode node2", "node node.c nodeXc")
    config = examine(
        write(tmp_path / "a", {**BASE, "ha.cf": ha, "haresources": "node.c 10.0.0.1\nnodexc 10.0.0.2\n"}), here=False
    ).config
    assert config is not None
    assert [(g.name, g.prefer[0]) for g in config.groups] == [("10.0.0.1", "node.c"), ("10.0.0.2", "nodexc")]
    told = said(tmp_path, ha_cf=BASE["ha.cf"], haresources="node. 10.0.0.1\n")
    assert told and told[0].startswith("haresources:1: ")


def test_e3_a_first_resource_twice_is_no_group_of_both() -> None:
    """heartbeat joins both lines, with the second node's name for a resource."""
    read, told = groups("node1 10.0.0.1 httpd\nnode2 10.0.0.1 named\n")
    assert read == [("node1", ["10.0.0.1", "httpd"])]
    assert len(told) == 1 and told[0].startswith("haresources:2: ") and "line 1" in told[0]


def test_e3_ipv6_is_one_address() -> None:
    """heartbeat makes the arguments `fe80` and `1/64` of it."""
    read, told = groups("node1 IPv6addr::fe80::1/64/eth0 IPv6addr::2001:db8::5/64 2001:db8:0:0:0:0:0:6\n")
    assert (read, told) == ([("node1", ["fe80::1", "2001:db8::5", "2001:db8::6"])], [])


@pytest.mark.parametrize(
    "word", ["1.2.3.4.5", "300.1.2.3x", "1.2.3.4/eth0", "1.2.3.4/24/", "IPaddr::1.2.3.4::24", "Filesystem::/dev/a::"]
)
def test_e3_what_heartbeat_reads_wrongly_is_refused(word: str) -> None:
    read, told = groups(f"node1 {word} httpd\n")
    assert read == [] and len(told) == 1 and told[0].startswith("haresources:1: ")


# -- the files of BasicSanityCheck -------------------------------------------------------------------------------------


def test_the_files_of_heartbeats_own_sanity_check(tmp_path: Path) -> None:
    """Its times and keys are fine; two ping nodes and the fencing are not had here, and its address is a broadcast."""
    files = {
        "ha.cf": "keepalive 10ms\ndeadtime 5\ninitdead 5\nmcast lo 225.224.223.222 694 1 1\nping 127.0.0.1\n"
        "ping_group pings 127.0.0.1\nstonith_host * null vm dummy\nnode vm dummy\n",
        "authkeys": f"auth 1\n1 sha1 {KEY}\n2 md5 {KEY}\n3 crc\n",
        "haresources": "dummy IPaddr::10.253.252.251/30\n",
    }
    examined = examine(write(tmp_path / "ha.d", files), here=False)
    errors = [(p.where.file, p.where.line) for p in examined.problems if p.severity is Severity.ERROR]
    assert [(file, line) for file, line in errors if line != 6] == [("ha.cf", 5), ("ha.cf", 7), ("haresources", 1)]
    assert examined.keys is not None and [k.id for k in examined.keys.keys] == [1, 2, 3]
    assert any(line.startswith("authkeys:4: warning: key 3 is crc") for line in render(examined.problems))
