"""hbctl init: a first configuration that passes `hbctl check`, with comments that teach.

Owns what is asked, what is found out on this machine, and the writing. Invariant: all three files are written or none,
none over another, and what stays was examined as hbcored does; the key is fresh, and never printed. Must not know how
files are read.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shlex
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from hbcore.cli import preflight
from hbcore.cli.look import put_json, put_lines
from hbcore.control.errors import ControlError
from hbcore.engine.config import Address, Problem, Severity
from hbcore.engine.lease import STANDARD
from hbcore.formats import address, values
from hbcore.formats.load import FILES
from hbcore.formats.media import MCAST_EXAMPLE
from hbcore.formats.values import Fault
from hbcore.words import say

KEY_BYTES = 32  # 256 bits, as many as sha256 has
WIDTH = 100
MODES = {"ha.cf": 0o644, "authkeys": 0o600, "haresources": 0o644}


@dataclass(frozen=True, slots=True)
class Wish:
    """What goes into the files. `wires`: device and the two addresses on it, own first (none: multicast)."""

    node: str
    peer: str
    wires: tuple[tuple[str, tuple[str, ...]], ...]
    ping: str | None
    address: str | None
    services: tuple[str, ...]


def init(args: argparse.Namespace) -> int:
    """Exit 1 where something stands against it; then nothing was written."""
    directory = Path(args.dir).absolute()
    there = [name for name in FILES if os.path.lexists(directory / name)]
    if there:
        raise ControlError("init-exists", files=", ".join(there), dir=directory)
    wish = wished(args)
    texts = compose(wish, secrets.token_hex(KEY_BYTES))
    problems = _keep(directory, texts, wish.node)
    paths = [directory / name for name in FILES]
    steps = [
        say("init-next-read"),
        say("init-next-copy", paths=shlex.join(map(str, paths)), peer=wish.peer, dir=shlex.quote(str(directory))),
        say("init-next-start", dir=directory),
        say("init-next-explain", dir=directory),
    ]
    if args.json:
        found = {
            "node": wish.node, "peer": wish.peer, "devices": [device for device, _ in wish.wires], "ping": wish.ping,
            "address": wish.address, "services": list(wish.services),
        }  # fmt: skip
        put_json({"files": [str(p) for p in paths], **found, "problems": preflight.as_json(problems), "next": steps})
    else:
        put_lines([say("init-wrote", path=path) for path in paths] + preflight.render(problems) + steps)
    return 0


# -- what is asked and found out ---------------------------------------------------------------------------------------


def wished(args: argparse.Namespace, proc: Path = preflight.PROC) -> Wish:
    """From the options, and from this machine what they leave out. Raises ControlError naming the option."""
    if not args.peer:
        raise ControlError("init-no-peer")
    node = _read("--node", args.node or os.uname().nodename, values.node)
    peer = _read("--peer", args.peer, values.node)
    if peer == node:
        raise ControlError("init-peer-self", peer=peer)
    vip = _vip(args.address, preflight.own_subnets(proc)) if args.address else None
    route = preflight.default_route(proc)
    ping = _read("--ping", args.ping, values.host_ipv4) if args.ping else route[0] if route else None
    wires = tuple(_wires(args, vip, route, proc))
    spec = "/".join(str(part) for part in (vip.ip, vip.prefix, vip.device, vip.broadcast) if part) if vip else None
    for service in args.service or ():
        if set(service) & set(" \t\r\n#\\"):
            raise ControlError("init-option", option="--service", what=say("kind-bad", word=service))
    return Wish(node, peer, wires, ping, spec, tuple(args.service or ()))


def _read(option: str, word: str, read: Callable[[str], str | Fault]) -> str:
    value = read(word)
    if isinstance(value, Fault):
        raise ControlError("init-option", option=option, what=say(value.code, option=option, **dict(value.args)))
    return value


def _vip(spec: str, subnets: preflight.Subnets) -> Address:
    """The address with its mask and device, which the subnet tells where they are left out."""
    read = address.parse(spec)
    if isinstance(read, Fault):
        raise ControlError(
            "init-option", option="--address", what=say(read.code, option="--address", **dict(read.args))
        )
    if read.prefix is not None and read.device is not None:
        return read
    for net, device in subnets:
        if ip_address(read.ip) in net:
            return Address(read.ip, read.prefix or net.prefixlen, read.device or device, read.broadcast)
    raise ControlError("init-far", ip=read.ip)


def _wires(
    args: argparse.Namespace, vip: Address | None, route: tuple[str, str] | None, proc: Path
) -> Iterator[tuple[str, tuple[str, ...]]]:
    devices = [d for d in preflight.own_devices(proc) if d != "lo"]
    for device in args.device or ():
        if device not in devices:
            raise ControlError("init-device", device=device, devices=", ".join(devices) or "-")
    for ip in args.peer_address or ():
        yield _ucast(_read("--peer-address", ip, values.host_ipv4), vip, proc)
    if args.peer_address:
        return
    near = next((d for d in (vip and vip.device, route and route[1]) if d in devices), None)
    named = args.device or ([near] if near else devices if len(devices) == 1 else [])
    if not named:
        raise ControlError("init-no-device", devices=", ".join(devices) or "-")
    for device in dict.fromkeys(named):
        yield device, ()


def _ucast(ip: str, vip: Address | None, proc: Path) -> tuple[str, tuple[str, ...]]:
    """Device, own address and the peer's."""
    for net, device in preflight.own_subnets(proc):
        own = sorted(a for a in preflight.own_addresses(proc) if ip_address(a) in net and (vip is None or a != vip.ip))
        if ip_address(ip) in net and own:
            return device, (own[0], ip)
    raise ControlError("init-peer-far", ip=ip)


# -- the texts ---------------------------------------------------------------------------------------------------------


def compose(wish: Wish, key: str) -> dict[str, str]:
    """The three files. `key`: hexadecimal."""
    nodes = ", ".join((wish.node, wish.peer))
    times = {"keepalive": values.show(STANDARD.keepalive_ns), "deadtime": values.show(STANDARD.deadtime_ns)}
    links = [
        line
        for device, ends in wish.wires
        for line in ([f"ucast {device} {ip}" for ip in ends] or [" ".join(("mcast", device, *MCAST_EXAMPLE[1:]))])
    ]
    ha_cf = [
        *_comment("file-ha-head", nodes=nodes, node=wish.node), "",
        *_comment("file-ha-log"), "logfile /var/log/ha-log", "",
        *_comment("file-ha-times", **times), "",
        *_comment("file-ha-ucast" if wish.wires[0][1] else "file-ha-mcast"), *links, "",
        *_comment("file-ha-ping" if wish.ping else "file-ha-no-ping"),
        *([f"ping {wish.ping}"] if wish.ping else []), "",
        *_comment("file-ha-failback"), "auto_failback on", "",
        *_comment("file-ha-node"), f"node {wish.node}", f"node {wish.peer}",
    ]  # fmt: skip
    group = [wish.node, *([wish.address] if wish.address else []), *wish.services]
    resources = [*_comment("file-res-head"), *_comment("file-res-script")]
    if len(group) == 1:
        resources += [*_comment("file-res-none"), f"#   {wish.node} 192.168.1.100/24/{wish.wires[0][0]} httpd"]
    else:
        resources += ["", " ".join(group)]
    keys = [*_comment("file-keys"), "auth 1", f"1 sha256 {key}"]
    return {name: "\n".join(lines) + "\n" for name, lines in zip(FILES, (ha_cf, keys, resources), strict=True)}


def _comment(code: str, **args: object) -> list[str]:
    text = say(code, **args)
    return textwrap.wrap(
        text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )


# -- writing -----------------------------------------------------------------------------------------------------------


def _keep(directory: Path, texts: dict[str, str], node: str) -> Sequence[Problem]:
    """Writes all, and leaves them only where no error is found in them, which is then raised."""
    made = [d for d in (directory, *directory.parents) if not os.path.lexists(d)]
    written: list[Path] = []
    kept = False
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            _create(directory / name, text, MODES[name])
            written.append(directory / name)
        here = node == os.uname().nodename.lower()
        problems = preflight.examine(directory, node, here=here).problems
        kept = not preflight.failed(problems)
    except OSError as error:
        raise ControlError("init-cannot-write", path=error.filename or directory, error=error.strerror) from None
    finally:
        if not kept:
            for path in written:
                path.unlink(missing_ok=True)
            for path in made:
                with contextlib.suppress(OSError):
                    path.rmdir()
    if not kept:
        first = next(p for p in problems if p.severity is Severity.ERROR)
        raise ControlError("init-refused", what=say(first.code, **dict(first.args)))
    return problems


def _create(path: Path, text: str, mode: int) -> None:
    """A new file with this mode from its first moment. Raises OSError where there is any of that name."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "w", encoding="utf-8") as stream:
        os.fchmod(fd, mode)  # whatever the umask
        stream.write(text)
        stream.flush()
        os.fsync(fd)
