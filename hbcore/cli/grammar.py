"""The command line of hbctl: its commands, flags and help.

Owns what can be typed. Invariant: global flags mean the same before and after the command, and a line that parses is
complete; nothing here needs the daemon or a slow import, so that --help answers at once.
Must not know what the commands do.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Sequence
from typing import NoReturn, cast

from hbcore import __version__
from hbcore.words import say

SCOPES = ("all", "local", "foreign", "failback")
OPERATIONS = ("start", "stop", "status")
CLASSES = ("script", "lsb", "ocf", "systemd")
ROLES = ("viewer", "operator", "admin")
GROUP_ACTS = ("start", "stop", "move", "clear")
_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")
_DEFAULTS = {"json": False, "socket": None, "host": None}


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """As argparse, with the nearest word named. Exit code 2."""
        if found := _CHOICE.search(message):
            known = re.findall(r"'([^']*)'", found[2])
            near = difflib.get_close_matches(found[1], known, 1)
            message = say("usage-none", given=found[1], known=", ".join(known))
            message = say("usage-nearest", given=found[1], nearest=near[0]) if near else message
        super().error(message)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """`command` is always set. Exits with 2 on a wrong line, 0 after --help and --version."""
    parser = build()
    found, rest = parser.parse_known_args(argv)
    if rest:
        _command(parser, found.command).error(say("usage-unknown", given=" ".join(rest)))
    for name, value in _DEFAULTS.items():
        if not hasattr(found, name):
            setattr(found, name, value)
    if found.socket and found.host:
        parser.error(say("usage-socket-or-host"))
    if found.command == "agents" and (found.act is None) != (found.agent is None):
        _command(parser, "agents").error(say("usage-agents-show"))
    if found.command in ("standby", "takeover"):
        _split_scope(_command(parser, found.command), found)
    return found


def _command(parser: Parser, name: str) -> Parser:
    """Its own parser, whose usage an error shows."""
    (commands,) = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return cast(Parser, commands[name])


def build() -> Parser:
    """All of it; also for the manual."""
    everywhere = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    everywhere.add_argument("--socket", metavar="PATH", help=say("help-socket"))
    everywhere.add_argument("--host", metavar="[USER@]HOST", help=say("help-host"))
    everywhere.add_argument("--json", action="store_true", help=say("help-json"))

    parser = Parser(
        prog="hbctl",
        description=say("hbctl-about"),
        epilog=say("hbctl-epilog"),
        parents=[everywhere],
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hbctl {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)

    config = default_config()

    def command(name: str) -> Parser:
        text = say(f"help-{name}")
        return commands.add_parser(name, help=text, description=text, parents=[everywhere], allow_abbrev=False)

    command("status")
    events = command("events")
    events.add_argument("--since", metavar="T", help=say("help-since"))
    events.add_argument("--limit", metavar="N", type=_whole, default=100, help=say("help-limit"))
    command("watch")
    for name in ("standby", "takeover"):
        _acting(command(name)).add_argument("words", nargs="*", metavar="[NODE] [SCOPE]", help=say("help-scope"))
    _acting(command("online")).add_argument("node", nargs="?", metavar="NODE", help=say("help-node"))
    group = _acting(command("group"))
    group.add_argument("act", choices=GROUP_ACTS, metavar="|".join(GROUP_ACTS))
    group.add_argument("group", metavar="GROUP", help=say("help-group-name"))
    group.add_argument("node", nargs="?", metavar="NODE", help=say("help-group-node"))
    cleanup = _acting(command("cleanup"))
    cleanup.add_argument("resource", metavar="RESOURCE", help=say("help-resource"))
    cleanup.add_argument("--group", metavar="GROUP", help=say("help-resource-group"))
    output = command("output")
    output.add_argument("resource", metavar="RESOURCE", help=say("help-resource"))
    output.add_argument("--group", metavar="GROUP", help=say("help-resource-group"))
    output.add_argument("--operation", choices=OPERATIONS, help=say("help-operation"))
    agents = command("agents")
    agents.add_argument("act", nargs="?", choices=("show",), metavar="show", help=say("help-agents-show"))
    agents.add_argument("agent", nargs="?", metavar="AGENT", help=say("help-agent"))
    agents.add_argument("--class", choices=CLASSES, dest="kind", help=say("help-class"))
    fence = _acting(command("fence"))
    fence.add_argument("node", metavar="NODE", help=say("help-fence-node"))
    fence.add_argument("--confirm-off", action="store_true", help=say("help-confirm-off"))
    check = command("check")
    check.add_argument("path", nargs="?", metavar="PATH", default=config, help=say("help-path"))
    check.add_argument("--node", metavar="N", help=say("help-check-node"))
    init = _asking(command("init"))
    init.add_argument("dir", nargs="?", metavar="DIR", default=config, help=say("help-init-dir"))
    command("explain").add_argument("dir", nargs="?", metavar="DIR", default=config, help=say("help-explain-dir"))
    doctor = command("doctor")
    doctor.add_argument("--peer", nargs="?", const="", metavar="[USER@]HOST", help=say("help-doctor-peer"))
    doctor.add_argument("--config", metavar="DIR", default=config, help=say("help-drill-config"))
    command("facts")
    drill = command("drill")
    drill.add_argument("--seeds", metavar="N", type=_runs, default=200, help=say("help-seeds"))
    drill.add_argument("--config", metavar="DIR", default=config, help=say("help-drill-config"))
    command("stdio").add_argument("--role", choices=ROLES, help=say("help-role"))
    command("receive")
    command("restart").add_argument("--by-systemd", action="store_true", help=say("help-by-systemd"))
    _installing(command("install-compat"))
    _installing(command("install-service")).add_argument("--print", action="store_true", help=say("help-print"))
    firewall = command("firewall")
    firewall.add_argument("--config", metavar="DIR", default=config, help=say("help-drill-config"))
    return parser


def default_config() -> str:
    return os.environ.get("HBCORE_CONFIG", "/etc/ha.d")


def _asking(parser: Parser) -> Parser:
    """What only a person knows; init finds out the rest."""
    parser.add_argument("--peer", metavar="NAME", help=say("help-init-peer"))
    parser.add_argument("--peer-address", metavar="IP", action="append", help=say("help-init-peer-address"))
    parser.add_argument("--address", metavar="IP[/MASK[/DEVICE]]", help=say("help-init-address"))
    parser.add_argument("--service", metavar="SCRIPT", action="append", help=say("help-init-service"))
    parser.add_argument("--device", metavar="DEVICE", action="append", help=say("help-init-device"))
    parser.add_argument("--ping", metavar="IP", help=say("help-init-ping"))
    parser.add_argument("--node", metavar="NAME", help=say("help-init-node"))
    return parser


def _acting(parser: Parser) -> Parser:
    parser.add_argument("--dry-run", action="store_true", help=say("help-dry-run"))
    parser.add_argument("--wait", action="store_true", help=say("help-wait"))
    parser.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=60.0, help=say("help-timeout"))
    parser.add_argument("--reason", metavar="TEXT", default="", help=say("help-reason"))
    parser.add_argument("--yes", "-y", action="store_true", help=say("help-yes"))
    return parser


def _installing(parser: Parser) -> Parser:
    parser.add_argument("--prefix", metavar="DIR", default="/", help=say("help-prefix"))
    parser.add_argument("--remove", action="store_true", help=say("help-remove"))
    return parser


def _split_scope(parser: Parser, found: argparse.Namespace) -> None:
    """`standby`, `standby NODE`, `standby foreign`, `standby NODE foreign`: as hb_standby was typed; takeover
    likewise.
    """
    words = list(found.words)
    found.node = words.pop(0) if words and (len(words) > 1 or words[0] not in SCOPES) else None
    found.scope = words.pop(0) if words else "all"
    if words or found.scope not in SCOPES:
        given = words[0] if words else found.scope
        near = difflib.get_close_matches(given, SCOPES, 1, 0.4)
        parser.error(say("usage-scope", given=given, nearest=near[0] if near else "|".join(SCOPES)))


def _whole(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(say("usage-range", given=text, least=1, most=1000))
    return value


def _runs(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= value <= 1_000_000:
        raise argparse.ArgumentTypeError(say("usage-range", given=text, least=1, most=1_000_000))
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(say("usage-range", given=text, least=0, most=3600))
    return value
