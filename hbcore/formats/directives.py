"""Every word ha.cf may begin a line with, and what becomes of it here.

Owns three tables: HONOURED (read by ha_cf.py), IDLE (known, read, without effect here: said so), REFUSED (known, and
dangerous to ignore: an error that says what to write). Together they are all that heartbeat 3.0.6 knows, and a few
that people believe it knows. Must not know how values are kept, nor sentences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hbcore.engine.config import Severity
from hbcore.formats import values
from hbcore.formats.values import Fault

TIMES = ("keepalive", "warntime", "deadtime", "initdead", "deadping")
HONOURED = frozenset(
    {
        *TIMES,
        "node", "ping", "ping6", "ping_group", "auto_failback", "cluster",
        "mcast", "mcast6", "ucast", "ucast6", "bcast", "udp", "serial", "udpport", "baud",
        "logfile", "debugfile", "logfacility", "autojoin", "crm", "pacemaker", "respawn",
    }
)  # fmt: skip
FACILITIES = (
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "security", "syslog", "user", "uucp",
    *(f"local{n}" for n in range(8)), "none",
)  # fmt: skip
# What heartbeat's own children did that hbcored does itself; and its other helpers, which are known by name, whether
# they are installed or not, and not started. Any other command in `respawn` is run.
BUILT_IN = ("ipfail", "pingd")
UNNEEDED = (
    "ccm", "cib", "crmd", "attrd", "lrmd", "stonithd", "stonith-ng", "pengine", "cibmon", "mgmtd", "dopd", "hbagent",
    "lha-snmpagent", "apphbd", "recoverymgrd", "quorumd", "ha_logd",
)  # fmt: skip
# What `crm` and `pacemaker` take besides a switch: ways to start Pacemaker.
CRM_MODES = ("respawn", "auto", "minimal", "manual", "ccm-only", "valgrind")


@dataclass(frozen=True, slots=True)
class Idle:
    """A directive without effect here. `read` judges each word (None: any words, the whole line), `why` is its code."""

    why: str
    read: Callable[[str], object] | None
    severity: Severity = Severity.NOTE
    many: bool = False


def _any(word: str) -> str:
    return word


def _number(low: int, high: int) -> Callable[[str], object]:
    return lambda word: values.whole(word, low, high)


def _one_of(*allowed: str) -> Callable[[str], object]:
    def read(word: str) -> str | Fault:
        return word if word in allowed else values.fault("not-one-of", word=word, allowed=", ".join(allowed))

    return read


_SWITCH = values.switch
_POSITIVE = _number(1, 999_999_999)

IDLE: dict[str, Idle] = {
    "apiauth": Idle("idle-apiauth", None),
    "compression": Idle("idle-compression", _one_of("zlib", "bz2")),
    "compression_threshold": Idle("idle-compression", _POSITIVE),
    "conn_logd_time": Idle("idle-logd", values.time_ns),
    "coredumps": Idle("idle-coredumps", _SWITCH),
    "coreroot": Idle("idle-coredumps", values.directory),
    "crm_daemon_dir": Idle("idle-crm", values.directory),
    "crmd_spawns_pengine": Idle("idle-crm", _SWITCH),
    "debug": Idle("idle-debug", _number(0, 255)),
    "enable_config_writes": Idle("idle-crm", _SWITCH),
    "env": Idle("idle-env", _any, Severity.WARNING, many=True),
    "hbgenmethod": Idle("idle-generation", _one_of("file", "time")),
    "hopfudge": Idle("idle-hopfudge", _number(0, 255)),
    "log_badpack": Idle("idle-badpack", _SWITCH),
    "max_rexmit_delay": Idle("idle-rexmit", _POSITIVE),
    "memreserve": Idle("idle-memreserve", _POSITIVE),
    "msgfmt": Idle("idle-msgfmt", _one_of("classic", "netstring")),
    "normalpoll": Idle("idle-poll", _SWITCH),
    "realtime": Idle("idle-realtime", _SWITCH),
    "record_config_changes": Idle("idle-crm", _SWITCH),
    "record_pengine_inputs": Idle("idle-crm", _SWITCH),
    "rtprio": Idle("idle-realtime", _number(1, 99)),
    "syslogmsgfmt": Idle("idle-syslogmsgfmt", _SWITCH),
    "traditional_compression": Idle("idle-compression", _SWITCH),
    "use_apphbd": Idle("idle-apphbd", _SWITCH),
    "use_logd": Idle("idle-logd", _SWITCH),
    "uuidfrom": Idle("idle-uuid", _one_of("file", "nodename")),
}

REFUSED: dict[str, str] = {
    "hbaping": "refused-hbaping",
    "rds": "refused-media",
    "tipc": "refused-media",
    "stonith": "refused-stonith",
    "stonith_host": "refused-stonith",
    "watchdog": "refused-watchdog",
    "failfast": "refused-failfast",
    "nice_failback": "refused-nice-failback",
    "quorum_server": "refused-quorum-server",
    "site": "refused-site",
    "weight": "refused-site",
}
KNOWN = HONOURED | IDLE.keys() | REFUSED.keys()
# Words that are good heartbeat, or a good neighbour's, under another name than one would guess by spelling.
MEANT = {
    "heartbeat": "keepalive",
    "interval": "keepalive",
    "timeout": "deadtime",
    "failback": "auto_failback",
    "multicast": "mcast",
    "unicast": "ucast",
    "broadcast": "bcast",
    "port": "udpport",
    "log": "logfile",
    "host": "node",
    "peer": "ucast",
}
