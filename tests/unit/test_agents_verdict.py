"""What the words and exit codes of scripts mean: the policy as a table, with heartbeat's own traps in it."""

from __future__ import annotations

import pytest

from hbcore.agents.verdict import Kind, of_exit, of_status
from hbcore.engine.events import Outcome

RUNNING, STOPPED, UNKNOWN = Outcome.RUNNING, Outcome.STOPPED, Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("said", "code", "meant"),
    [
        # heartbeat's own words decide alone
        ("running\n", 0, RUNNING),
        ("Running", 3, RUNNING),  # the exit code is ignored
        ("httpd (pid 4711) is running...", 0, RUNNING),
        ("OK", 0, RUNNING),
        ("INFO: Running OK", 0, RUNNING),
        ("not running", 0, STOPPED),
        ("Not Running", 1, STOPPED),
        ("INFO: httpd is not running", 3, STOPPED),
        ("httpd is stopped", 0, STOPPED),
        ("httpd dead but pid file exists", 1, STOPPED),
        # no verdict at all: by the contract of the class a running one says so
        ("", 0, STOPPED),
        ("", 3, STOPPED),
        ("Usage: /etc/ha.d/resource.d/MailTo {start|stop|status}", 1, STOPPED),
        ("lookup of token failed", 1, STOPPED),
        # the trap: heartbeat reads these as running
        ("NOT OK", 0, UNKNOWN),
        ("NOT OK", 1, UNKNOWN),
        ("NOT OK", 3, STOPPED),
        ("httpd isn't running", 0, UNKNOWN),
        ("httpd isn't running", 3, STOPPED),
        ("no longer running", 0, UNKNOWN),
        ("BROKEN", 1, UNKNOWN),
        ("BROKEN", 3, STOPPED),
        # contradictions and another spelling: the exit code settles them or nothing does
        ("nfsd running, mountd not running", 0, RUNNING),
        ("nfsd running, mountd not running", 3, STOPPED),
        ("nfsd running, mountd not running", 1, UNKNOWN),
        ("RUNNING", 0, RUNNING),
        ("RUNNING", 3, STOPPED),
        ("ok", 0, RUNNING),
        ("started", 4, UNKNOWN),
        ("Active: inactive (dead)", 3, STOPPED),
        # nobody answered
        ("running", -9, UNKNOWN),
        ("", -15, UNKNOWN),
        ("", 127, UNKNOWN),
        ("", 126, UNKNOWN),
    ],
)
def test_heartbeat_status(said: str, code: int, meant: Outcome) -> None:
    assert of_status(Kind.HEARTBEAT, code, said) is meant


@pytest.mark.parametrize(
    ("code", "meant"),
    [(0, RUNNING), (1, STOPPED), (2, STOPPED), (3, STOPPED), (4, UNKNOWN), (5, UNKNOWN), (150, UNKNOWN), (-9, UNKNOWN)],
)
def test_lsb_status_is_the_exit_code(code: int, meant: Outcome) -> None:
    for said in ("running", "not running", "NOT OK", ""):
        assert of_status(Kind.LSB, code, said) is meant


def test_start_and_stop_are_judged_by_exit_code() -> None:
    assert of_exit(0) is Outcome.OK
    assert [of_exit(code) for code in (1, 5, 127, -9)] == [Outcome.FAILED] * 4
