"""What an agent's answer means. Pure.

Owns the policy for each class: a heartbeat script answers `status` by what it prints, LSB scripts and OCF agents by
their exit codes, systemd by its unit's state. Invariant: an answer that contradicts itself is UNKNOWN, never STOPPED.
Must not know processes.
"""

from __future__ import annotations

import re
from enum import StrEnum

from hbcore.engine.events import Outcome


class Kind(StrEnum):
    HEARTBEAT = "heartbeat"  # resource.d
    LSB = "lsb"  # init.d
    OCF = "ocf"
    SYSTEMD = "systemd"


# LSB 5.0, "Init Script Actions": 0 running, 1 and 2 dead with a pid or lock file left, 3 not running, 4 unknown.
_LSB_STATUS = {0: Outcome.RUNNING, 1: Outcome.STOPPED, 2: Outcome.STOPPED, 3: Outcome.STOPPED}
# OCF resource agent API 1.1, "Exit status codes", of `monitor`: 0 runs, 7 does not; 8 and 9 are of promotable ones, 190
# and 191 run degraded. What is not installed (5) runs nowhere here. All others: it failed, and may be half there.
_OCF_MONITOR = {
    0: Outcome.RUNNING, 8: Outcome.RUNNING, 190: Outcome.RUNNING, 191: Outcome.RUNNING,
    5: Outcome.STOPPED, 7: Outcome.STOPPED,
}  # fmt: skip
# org.freedesktop.systemd1.Unit, ActiveState. One that is "activating" again and again does not run.
_UNIT = {
    "active": Outcome.RUNNING, "reloading": Outcome.RUNNING, "refreshing": Outcome.RUNNING,
    "inactive": Outcome.STOPPED, "failed": Outcome.STOPPED,
}  # fmt: skip

# What heartbeat reads as "running" where it stands as a word of its own, and what makes a person doubt that.
_CLEAR = re.compile(r"\b(OK|[Rr]unning)\b")
_VAGUE = re.compile(r"OK|\b(?i:ok|running|started|active)\b")
_DENIES = re.compile(
    r"\b(not\s+(ok|running|started|active)|isn'?t\s+running|no\s+longer\s+running|stopped|inactive|dead|down|failed)\b",
    re.I,
)
_HEARTBEATS_NO = re.compile(r"[Nn][Oo][Tt] [Rr]unning")
_SHELL_FAILED = (126, 127)  # the shell could not run it


def of_exit(code: int) -> Outcome:
    """start, stop: 0 is success, any other exit is not."""
    return Outcome.OK if code == 0 else Outcome.FAILED


def of_status(kind: Kind, code: int, said: str) -> Outcome:
    """`code` is the exit code, negative for a signal; `said` what it printed on stdout."""
    if code < 0 or code in _SHELL_FAILED:
        return Outcome.UNKNOWN
    if kind is Kind.OCF:
        return _OCF_MONITOR.get(code, Outcome.FAILED)
    if kind is Kind.LSB:
        return _LSB_STATUS.get(code, Outcome.UNKNOWN)
    return _of_words(code, said)


def of_unit(active: str) -> Outcome:
    """`active`: ActiveState; what is between two states is not known yet."""
    return _UNIT.get(active, Outcome.UNKNOWN)


def _of_words(code: int, said: str) -> Outcome:
    """The exit code decides nothing alone; where the words are vague or contradict each other it settles them.

    | printed                                          | heartbeat | here                                    |
    |--------------------------------------------------|-----------|-----------------------------------------|
    | OK or running as a word, nothing that denies     | running   | running, whatever the exit code         |
    | both ("running, mountd stopped"); "ok"; "BROKEN" | either    | exit 0: running, 3: stopped, else       |
    |                                                  |           | unknown                                 |
    | a denial that heartbeat takes for a yes          | running   | exit 3: stopped, else unknown           |
    | ("NOT OK", "isn't running")                      |           |                                         |
    | "not running", "stopped", "usage", nothing       | stopped   | stopped: by the contract of the class a |
    |                                                  |           | running one says so                     |
    """
    rest = _DENIES.sub(" ", said)
    denies = rest != said
    if _CLEAR.search(rest) and not denies:
        return Outcome.RUNNING
    if _VAGUE.search(rest):
        return {0: Outcome.RUNNING, 3: Outcome.STOPPED}.get(code, Outcome.UNKNOWN)
    if denies and _CLEAR.search(_HEARTBEATS_NO.sub(" ", said)):
        return Outcome.STOPPED if code == 3 else Outcome.UNKNOWN
    return Outcome.STOPPED
