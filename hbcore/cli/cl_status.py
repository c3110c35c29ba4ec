"""cl_status: what heartbeat's program of that name said, for the scripts and monitors that still ask it.

Owns the way from our Status to heartbeat's words and exit codes (heartbeat 3.0.6, cl_status(1)). Invariant: standard
output holds only what a script would compare; where we have no such thing, standard error says so. Must not know the
daemon beyond its Status.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hbcore.control.errors import ControlError
from hbcore.control.schema import Group, Status
from hbcore.words import say

DONE, FAILED, BAD_PARAMETER, TIMEOUT, UNKNOWN = 0, 1, 11, 12, 13
ANSWER_S = 5.0  # heartbeat's own patience
DEFAULT_WEIGHT = "100"  # heartbeat's, where nobody set one
REFUSALS = ("socket-not-permitted", "not-permitted", "too-many-clients")
NOT_THERE = ("no-daemon", "lost")


@dataclass(frozen=True, slots=True)
class Asked:
    """A parsed line. `words`: what follows the sub-command; `name`: of hbparameter."""

    command: str
    words: tuple[str, ...] = ()
    human: bool = False
    verbose: bool = False
    normal: bool = False
    ping: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`lines` go to standard output, `note` to standard error."""

    code: int
    lines: tuple[str, ...] = ()
    note: str = ""


class Wrong(Exception):
    """The line means nothing in this cluster; the sentence says why."""


def main(argv: Sequence[str] | None = None) -> int:
    try:
        asked = _parse(sys.argv[1:] if argv is None else argv)
        found = _ask(asked)
    except Wrong as wrong:
        found = Answer(BAD_PARAMETER, note=str(wrong))
    sys.stdout.write("".join(f"{line}\n" for line in found.lines))
    sys.stdout.flush()
    if found.note:
        sys.stderr.write(f"cl_status: {found.note}\n")
    return found.code


def _ask(asked: Asked) -> Answer:
    import asyncio

    from hbcore.control.client import connect, parse

    async def status() -> Status:
        async with asyncio.timeout(ANSWER_S), connect(parse(None), tool="cl_status") as client:
            return await client.status()

    try:
        return answer(asked, asyncio.run(status()))
    except TimeoutError:
        return Answer(TIMEOUT, note=say("no-answer", where="hbcored", seconds=ANSWER_S))
    except ControlError as error:
        return without(asked, error)


def without(asked: Asked, error: ControlError) -> Answer:
    """Nobody answers, or not to us."""
    if error.code in ("no-answer", "timeout"):
        return Answer(TIMEOUT, note=error.text)
    if error.code not in (*NOT_THERE, *REFUSALS):
        return Answer(UNKNOWN, note=error.text)
    if asked.command != "hbstatus":
        return Answer(FAILED, note=error.text)
    if error.code in REFUSALS:
        return Answer(DONE, (say("cl-refuses"),))
    return Answer(FAILED, (say("cl-stopped"),))


def answer(asked: Asked, status: Status) -> Answer:
    """Pure: what the line is answered by this status. Raises Wrong."""
    return COMMANDS[asked.command].answer(asked, status)


# -- the sub-commands --------------------------------------------------------------------------------------------------


def _hbstatus(asked: Asked, status: Status) -> Answer:
    lines = [say("cl-running")]
    if asked.verbose:
        lines += ["", say("cl-version", version=status.version), say("cl-managed"), ""]
        lines += _described(_nodes(status) + _pings(status), status)
    return Answer(DONE, tuple(lines))


def _listnodes(asked: Asked, status: Status) -> Answer:
    names = ([] if asked.ping else _nodes(status)) + ([] if asked.normal else _pings(status))
    if asked.verbose:
        return Answer(DONE, tuple(_described(names, status)))
    return Answer(DONE, (say("cl-nodes"), *(f"\t{name}" for name in names)) if asked.human else tuple(names))


def _described(names: Sequence[str], status: Status) -> list[str]:
    lines = []
    for name in names:
        lines.append(f"{name}\t{_state(name, status)}\t(nodetype: {_kind(name, status)})")
        lines += [f"\t{link}\t{_link(name, link, status)}" for link in _links(name, status)]
        lines.append("")
    return lines


def _nodestatus(asked: Asked, status: Status) -> Answer:
    name = _known(asked.words[0], status)
    state = _state(name, status)
    code = DONE if state in ("active", "up", "ping") else FAILED
    return _said(asked, code, state, "cl-is-node", name=name, kind=_kind(name, status), state=state)


def _nodetype(asked: Asked, status: Status) -> Answer:
    name = _known(asked.words[0], status)
    kind = _kind(name, status)
    return _said(asked, DONE, kind, "cl-is-type", name=name, kind=kind)


def _nodeweight(asked: Asked, status: Status) -> Answer:
    name = _known(asked.words[0], status)
    return _said(asked, DONE, DEFAULT_WEIGHT, "cl-is-weight", name=name, value=DEFAULT_WEIGHT)


def _nodesite(asked: Asked, status: Status) -> Answer:
    return _said(asked, DONE, "", "cl-is-site", name=_known(asked.words[0], status))


def _listhblinks(asked: Asked, status: Status) -> Answer:
    name = _known(asked.words[0], status)
    lines = [f"\t{link}" + (f"\t{_link(name, link, status)}" if asked.verbose else "") for link in _links(name, status)]
    return Answer(DONE, (say("cl-listed", name=name), *lines) if asked.human else tuple(lines))


def _hblinkstatus(asked: Asked, status: Status) -> Answer:
    name, link = _known(asked.words[0], status), asked.words[1]
    links = _links(name, status)
    if link not in links:
        raise Wrong(say("cl-no-link", link=link, name=name, known=", ".join(links) or "-"))
    state = _link(name, link, status)
    note = ""
    if name == status.node:
        other = next((n for n in _nodes(status) if n != name), "-")
        note = say("cl-own-link", name=name, other=other)
    elif any(known.name == link and known.state == "one-way" for known in status.links):
        note = say("cl-one-way", link=link, name=name)
    code = DONE if state == "up" else FAILED
    return Answer(code, (say("cl-is-link", link=link, name=name, state=state) if asked.human else state,), note)


def _clientstatus(asked: Asked, status: Status) -> Answer:
    name, client = _known(asked.words[0], status), asked.words[1]
    line = say("cl-is-client", client=client, name=name, state="offline") if asked.human else "offline"
    return Answer(FAILED, (line,), say("cl-no-clients", client=client))


def _rscstatus(asked: Asked, status: Status) -> Answer:
    held, partly = holding(status)
    note = ""
    if partly:
        here = [group for group in status.groups if _here(group, status)]
        note = say("cl-partly", held=len(here), all=len(status.groups))
    return Answer(DONE, (say("cl-is-holding", state=held) if asked.human else held,), note)


def holding(status: Status) -> tuple[str, bool]:
    """heartbeat's word for what this node holds, and whether it says more or less than is so: heartbeat moved only the
    local and the foreign groups as a whole, hbcored moves single ones.
    """
    me = next((node for node in status.nodes if node.name == status.node), None)
    moving = any(g.state in ("starting", "stopping") and g.node == status.node for g in status.groups)
    if moving or (me is not None and me.state == "joining"):
        return "transition", False
    local = [group for group in status.groups if group.prefer[:1] == [status.node]]
    foreign = [group for group in status.groups if group not in local]
    mine = [group for group in status.groups if _here(group, status)]
    if not mine:
        return "none", False
    lone = all(node.heard not in ("two-way", "one-way") for node in status.nodes if node.name != status.node)
    if len(mine) == len(status.groups) and (lone or (local and foreign)):
        return "all", False
    has_local, has_foreign = any(g in mine for g in local), any(g in mine for g in foreign)
    whole = "foreign" if has_foreign and not (has_local and all(g in mine for g in local)) else "local"
    meant = local if whole == "local" else foreign
    return whole, sorted(g.name for g in mine) != sorted(g.name for g in meant)


def _hbparameter(asked: Asked, status: Status) -> Answer:
    told = _parameters(status)
    if not asked.name:
        raise Wrong(say("cl-no-name", known=", ".join(told)))
    value = told.get(asked.name)
    if value is None:
        return Answer(FAILED, note=say("cl-no-parameter", name=asked.name, known=", ".join(told)))
    return _said(asked, DONE, value, "cl-is-parameter", name=asked.name, value=value)


def _parameters(status: Status) -> dict[str, str]:
    """As they would be written in ha.cf: seconds bare, or ms."""
    told = {value.option: value.value.removesuffix(" s").replace(" ms", "ms") for value in status.values}
    return {**told, "cluster": status.cluster, "hbversion": status.version, "node": " ".join(_nodes(status))}


# -- what is what ------------------------------------------------------------------------------------------------------


def _nodes(status: Status) -> list[str]:
    return [node.name for node in status.nodes]


def _pings(status: Status) -> list[str]:
    return [ping.name for ping in status.pings]


def _known(given: str, status: Status) -> str:
    names = _nodes(status) + _pings(status)
    if given.lower() in names:
        return given.lower()
    near = difflib.get_close_matches(given[:64].lower(), names, 1, 0.0)
    raise Wrong(say("cl-no-node", name=given[:64], near=near[0] if near else "-"))


def _kind(name: str, status: Status) -> str:
    return "ping" if name in _pings(status) else "normal"


def _state(name: str, status: Status) -> str:
    """heartbeat's words. A node that was never heard is `init` until initdead has passed."""
    for ping in status.pings:
        if ping.name == name:
            return "ping" if ping.state == "up" else "dead"
    node = next(node for node in status.nodes if node.name == name)
    if node.heard in ("lost", "left"):
        return "dead"
    if node.heard == "never":
        return "init"
    return "up" if node.state == "joining" else "active"


def _links(name: str, status: Status) -> list[str]:
    """A ping node is its own link, as it was; the links of this node are those that lead to the other."""
    if name in _pings(status):
        return [name]
    return list(dict.fromkeys(link.name for link in status.links if name in (link.peer, status.node)))


def _link(name: str, link: str, status: Status) -> str:
    if name in _pings(status):
        return "up" if _state(name, status) == "ping" else "dead"
    found = next((known for known in status.links if known.name == link and known.peer == name), None)
    return "up" if found is not None and found.state in ("up", "late") else "dead"


def _here(group: Group, status: Status) -> bool:
    return group.node == status.node


def _said(asked: Asked, code: int, value: str, sentence: str, /, **args: str) -> Answer:
    return Answer(code, (say(sentence, **args) if asked.human else value,))


@dataclass(frozen=True, slots=True)
class Command:
    """`least`, `most`: how many words it takes."""

    answer: Callable[[Asked, Status], Answer]
    least: int = 0
    most: int = 0


COMMANDS: dict[str, Command] = {
    "hbstatus": Command(_hbstatus),
    "listnodes": Command(_listnodes),
    "nodestatus": Command(_nodestatus, 1, 1),
    "nodetype": Command(_nodetype, 1, 1),
    "nodeweight": Command(_nodeweight, 1, 1),
    "nodesite": Command(_nodesite, 1, 1),
    "listhblinks": Command(_listhblinks, 1, 1),
    "hblinkstatus": Command(_hblinkstatus, 2, 2),
    "clientstatus": Command(_clientstatus, 2, 3),
    "rscstatus": Command(_rscstatus),
    "hbparameter": Command(_hbparameter),
}
ALIASES = {"parameter": "hbparameter"}  # as the old manual called it


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """As argparse, with heartbeat's exit code."""
        self.print_usage(sys.stderr)
        self.exit(BAD_PARAMETER, f"{Path(self.prog).name}: {message}\n")


def _parse(argv: Sequence[str]) -> Asked:
    """Options stand before, between and after the words, as getopt had them. Exits with 11 on a wrong line."""
    parser = _Parser(
        prog="cl_status",
        description=say("cl-about"),
        epilog=say("cl-epilog"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    known = [*COMMANDS, *ALIASES]
    parser.add_argument("command", metavar="SUB-COMMAND")
    parser.add_argument("words", nargs="*", metavar="PARAMETER", default=[])
    parser.add_argument("-m", dest="human", action="store_true", help=say("cl-help-m"))
    parser.add_argument("-n", dest="normal", action="store_true", help=say("cl-help-n"))
    parser.add_argument("-p", dest="ping", action="store_true", help=say("cl-help-p"))
    parser.add_argument("-v", dest="verbose", action="store_true", help=say("cl-help-v"))
    found = parser.parse_intermixed_args(list(argv))
    name = ALIASES.get(found.command, found.command)
    if name not in COMMANDS:
        near = difflib.get_close_matches(found.command, known, 1, 0.0)
        parser.error(say("usage-nearest", given=found.command[:64], nearest=near[0]))
    words = tuple(found.words)
    parameter = ""
    if name == "hbparameter" and found.ping:
        parameter, words = (words[0], words[1:]) if words else ("", ())
    elif name == "hbparameter" and words:
        raise Wrong(say("usage-nearest", given=f"hbparameter {words[0]}"[:64], nearest=f"hbparameter -p {words[0]}"))
    if not COMMANDS[name].least <= len(words) <= COMMANDS[name].most:
        parser.error(say("cl-words", command=name, least=COMMANDS[name].least, given=len(words)))
    return Asked(name, words, found.human, found.verbose, found.normal, found.ping, parameter)


if __name__ == "__main__":
    sys.exit(main())
