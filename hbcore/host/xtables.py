"""Rules of the old iptables (iptables-legacy), which nft does not show, in nft's form.

Owns the reading of what iptables-save(8) prints. Invariant: an option that is not understood becomes a condition
that is not; the kernel is not made to load what it had not (asking iptables-legacy for a table would make one). Only
looks. Must not know heartbeats.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hbcore.host.asking import asked

OLD = "-legacy -t "  # within the name of each table here, which is how it is listed: iptables-legacy -t filter -S
TABLES = {"ip": ("ip_tables_names", "iptables-legacy-save"), "ip6": ("ip6_tables_names", "ip6tables-legacy-save")}
_PROC = Path("/proc/thread-self/net")
_KINDS = {"filter", "mangle", "raw", "security"}  # tables whose chains may drop: nat's see no packet but the first
_HOOKS = {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}
_IDLE = {"LOG", "NFLOG", "ULOG", "TRACE", "MARK", "CONNMARK"}  # targets after which the next rule is asked
_MATCHES = {"udp", "tcp", "multiport", "state", "conntrack", "addrtype", "pkttype", "comment"}  # ask by options only
_PORTS = {"--dport": "dport", "--dports": "dport", "--sport": "sport", "--sports": "sport"}
Item = dict[str, Any]


async def ruleset() -> list[Item] | None:
    """Of both families; None where there are tables and they cannot be read. Only the machine's root is told that there
    are: for the root of a user namespace, who has none but what it made, there are none.
    """
    found: list[Item] = []
    for family, (names, program) in TABLES.items():
        try:
            if not (_PROC / names).read_text().strip():
                continue
        except OSError:  # a kernel without it, or its module is not loaded; or not for us to see
            continue
        text = await asked(program)
        if text is None:
            return None
        found += read(family, text.decode("utf-8", "replace"))
    return found


def read(family: str, text: str) -> Iterator[Item]:
    """`text`: of iptables-save. As many items as it has chains and rules in tables that may drop."""
    table = ""
    chains: set[str] = set()
    for line in text.splitlines():
        if line.startswith("*"):
            table, chains = line[1:].strip(), set()
        if table not in _KINDS:
            continue
        place = {"family": family, "table": f"{'ip6' if family == 'ip6' else 'ip'}tables{OLD}{table}"}
        words = _split(line)
        if line.startswith(":") and len(words) > 1:
            name, policy = words[0][1:], words[1]
            base = {"type": "filter", "hook": name.lower(), "policy": policy.lower()} if name in _HOOKS else {}
            chains.add(name)  # all of a table come before its rules
            yield {"chain": place | {"name": name} | base}
        elif line.startswith("-A ") and len(words) > 1:
            yield {"rule": place | {"chain": words[1], "expr": list(_expressions(words[2:], family, chains))}}


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # a comment that quotes in its own way
        return [*line.split()[:2], "--unread"]


def _expressions(words: list[str], family: str, chains: set[str]) -> Iterator[Item]:
    """Conditions as they stand, then the target, whose own options come last."""
    waiting, operator = list(reversed(words)), "=="
    while waiting:
        option, values = waiting.pop(), []
        while waiting and waiting[-1] != "!" and not waiting[-1].startswith("-"):
            values.append(waiting.pop())
        if option == "!":
            operator = "!="
            continue
        if option == "--comment" and not values and waiting:  # one that looks like an option
            waiting.pop()
        if option in ("-j", "-g"):
            yield _target(option, " ".join(values), chains)
            return
        if option != "--comment" and not (option == "-m" and set(values) <= _MATCHES):
            yield _condition(option, " ".join(values), operator, family)
        operator = "=="


def _target(option: str, target: str, chains: set[str]) -> Item:
    if target in ("ACCEPT", "DROP", "REJECT", "RETURN"):
        return {target.lower(): None}
    if target in _IDLE:
        return {"log": None}
    if target in chains:
        return {"goto" if option == "-g" else "jump": {"target": target}}
    return {"queue": None}  # an extension: NFQUEUE, SYNPROXY, ...


def _condition(option: str, value: str, operator: str, family: str) -> Item:
    left: Item | None = None
    right: Any = value.lower()
    match option:
        case "-i" | "-o":
            left = {"meta": {"key": "iifname" if option == "-i" else "oifname"}}
            right = value[:-1] + "*" if value.endswith("+") else value
        case "-p":
            left = {"meta": {"key": "l4proto"}}
        case "-s" | "-d":
            left = {"payload": {"protocol": family, "field": "saddr" if option == "-s" else "daddr"}}
            address, slash, length = value.partition("/")
            if slash and not length.isdigit():  # a mask with holes
                return {"xt": option}
            right = {"prefix": {"addr": address, "len": int(length)}} if slash else address
        case "--ctstate" | "--state":
            left, right = {"ct": {"key": "state"}}, value.lower().split(",")
        case "--pkt-type":
            left = {"meta": {"key": "pkttype"}}
        case "--dst-type":
            left = {"fib": {"result": "type", "flags": ["daddr"]}}
        case _ if option in _PORTS and (ports := _ports(value)):
            left, right = {"payload": {"protocol": "th", "field": _PORTS[option]}}, {"set": ports}
    return {"match": {"op": operator, "left": left, "right": right}} if left else {"xt": option}


def _ports(value: str) -> list[Any]:
    found: list[Any] = []
    for part in value.split(","):
        low, colon, high = part.partition(":")
        if not low.isdigit() or (colon and not high.isdigit()):
            return []
        found.append({"range": [int(low), int(high)]} if colon else int(low))
    return found
