"""What pulse and the daemon say to each other, over one SEQPACKET pair.

Owns the messages and their bytes. Invariant: the first message each way carries VERSION; every message is one packet,
and one that cannot be sent now is dropped and counted, so neither process ever waits for the other.
Must not know what a message leads to.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from typing import Any

import msgspec

from hbcore.engine.config import ClusterConfig, GroupDef
from hbcore.engine.effects import Hold, Prove, Say
from hbcore.engine.events import Abandoned, Answered, Guarded, Heard, Lapsed, Listened, Namesake, Stalled
from hbcore.engine.flows import Flows
from hbcore.engine.heart import Legacy
from hbcore.engine.keys import Keyring

VERSION = 1
MAX_PACKET = 1 << 20  # the files of 64 groups of 70 resources; it has to fit into half of what a socket holds
BUFFER = 4 << 20  # holds what pulse tells a daemon that hangs for 5 s, and more
LIFE_SIGN = b"\x00alive"  # the daemon's first packet, sent before it imports anything, and again after that


@dataclass(frozen=True, slots=True)
class Hello:
    """Pulse's first message: all a daemon needs to begin or to go on. Times: ns of CLOCK_BOOTTIME.

    `heard_ns`: since when the peer's silence counts, 0 = never heard (Heart.silence_ns); `asked_ns`: of the ping nodes'
    newest answers (Heart.asked_ns).
    `keys`: so that a daemon that has to become the next pulse can go on with what was in force.
    """

    version: int
    node: str
    config: ClusterConfig
    config_dir: str
    born_ns: int
    heard_ns: int
    asked_ns: dict[str, int]
    resumed: bool
    incarnation: int
    generation: int
    keys: Keyring
    released: dict[str, int]


@dataclass(frozen=True, slots=True)
class Ready:
    """The daemon's first real message."""

    version: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where pulse finds an address it may have to take off. `gated`: the guard has it; `neighbours`: its ARP alone.

    `valid_s`: how long the kernel keeps it unless it is refreshed, 0 = for ever.
    """

    group: str
    ifindex: int
    ip: str
    prefix: int
    gated: bool = False
    neighbours: bool = False
    valid_s: int = 0


@dataclass(frozen=True, slots=True)
class Places:
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Lifted:
    """These addresses are off the host, and the daemon lifts their gates now."""

    ips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Watch:
    """More addresses to ping: gateways that vouch for a group's network."""

    pings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clients:
    """Connections of clients: this node's on their way to the other, or the other's as it told them."""

    flows: Flows


@dataclass(frozen=True, slots=True)
class Quit:
    """The daemon is done; `clean`: everything was stopped and released."""

    clean: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A signal pulse got: "leave"."""

    what: str


@dataclass(frozen=True, slots=True)
class Rest:
    """There is an heir, whose files have these groups: end, as soon as no start or stop is under way."""

    groups: tuple[GroupDef, ...]


@dataclass(frozen=True, slots=True)
class Rested:
    """The answer to Rest: the daemon ends now. Where `lacking`, it does not: the heir's files lack what runs here."""

    lacking: bool


@dataclass(frozen=True, slots=True)
class Heir:
    """A pulse that is about to go on in the place of the one that started it: read its files, which have these groups,
    and is ready.
    """

    version: int
    cluster: bytes
    node: str
    groups: tuple[GroupDef, ...] = ()


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What it gets, once the former daemon is gone: from now on it beats, and the former pulse does not. `managed`: the
    service manager stops the former just now in order to start it again, and learns of the heir then.
    """

    legacy: Legacy
    places: tuple[Place, ...]
    installed: tuple[str, ...]
    lifted: tuple[str, ...]
    born_ns: int
    managed: bool


@dataclass(frozen=True, slots=True)
class Told:
    """Something pulse has to say to a person: a code for words, as engine.effects.Note."""

    code: str
    args: tuple[tuple[str, str], ...] = ()
    severity: str = "info"
    kind: str = "other"


@dataclass(frozen=True, slots=True)
class Keys:
    """New keys are in force."""

    keys: Keyring


@dataclass(frozen=True, slots=True)
class Counts:
    """Once a second: datagrams by class, and what is wrong with each link ("" = nothing).

    `own`: ucast lines that name an address of this machine, harmless and no path to anybody. `refused`: by link, what
    it lately brought that was no beat (Carriers.refused). `namesake`: MACs of a machine that beats in this node's name,
    () where none was heard of late; where this one refuses, of the one for which it does. `beside`: of one that beats
    in the peer's name beside the peer.
    """

    datagrams: dict[str, int]
    troubles: dict[str, tuple[str, dict[str, str]]]
    own: tuple[str, ...]
    realtime: str
    refused: dict[str, tuple[str, dict[str, str]]]
    namesake: tuple[bytes, ...] = ()
    beside: tuple[bytes, ...] = ()


FromPulse = (
    Hello | Heard | Answered | Lapsed | Stalled | Abandoned | Guarded | Listened | Namesake | Asked | Rest | Told | Keys
    | Counts | Clients
)  # fmt: skip
FromDaemon = Ready | Say | Hold | Prove | Places | Lifted | Watch | Clients | Rested | Quit
Message = FromPulse | FromDaemon | Heir | Inheritance

_TYPES: dict[str, Any] = {
    t.__name__: t
    for t in (
        Hello, Heard, Answered, Lapsed, Stalled, Abandoned, Guarded, Listened, Namesake, Asked, Rest, Told, Keys,
        Counts, Ready, Say, Hold, Prove, Places, Lifted, Watch, Clients, Rested, Quit, Heir, Inheritance,
    )
}  # fmt: skip
_encoder = msgspec.msgpack.Encoder()
_outer = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])
_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {}


def encode(message: Message) -> bytes:
    return _encoder.encode((type(message).__name__, message))


def decode(packet: bytes) -> Message:
    """Raises ValueError (msgspec's) for what no version of ours sends."""
    name, raw = _outer.decode(packet)
    decoder = _decoders.get(name)
    if decoder is None:
        if name not in _TYPES:
            raise ValueError(name)
        decoder = _decoders[name] = msgspec.msgpack.Decoder(_TYPES[name])
    message: Message = decoder.decode(raw)
    return message


class Pipe:
    """One end. `lost`: messages that found no room; `alive`: the other side gave its sign; `closed`: it is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.lost = 0
        self.alive = self.closed = False
        self._room = bytearray(MAX_PACKET)  # once: in pulse, whose memory is locked, a new one costs more than a beat
        sock.setblocking(False)
        for forced, plain in ((32, socket.SO_SNDBUF), (33, socket.SO_RCVBUF)):  # SO_SNDBUFFORCE, SO_RCVBUFFORCE
            try:
                sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER)
            except PermissionError:
                sock.setsockopt(socket.SOL_SOCKET, plain, BUFFER)

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, message: Message) -> None:
        try:
            self.sock.send(encode(message))
        except BlockingIOError:
            self.lost += 1
        except OSError:
            self.closed = True

    def drain(self) -> list[Message]:
        """All queued messages; a life sign is none, it sets `alive`."""
        out: list[Message] = []
        while not self.closed:
            try:
                packet = bytes(memoryview(self._room)[: self.sock.recv_into(self._room)])
            except BlockingIOError:
                break
            except OSError:
                packet = b""
            if not packet:
                self.closed = True
            elif packet == LIFE_SIGN:
                self.alive = True
            else:
                out.append(decode(packet))
        return out

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.close()
        self.closed = True


def leave_behind(hello: Hello) -> int:
    """A descriptor of a nameless file with this message, for the program that this process turns into: no secret
    touches a disk, a command line or the environment. Inheritable; the reader closes it."""
    fd = os.memfd_create("hbcore", 0)
    os.write(fd, encode(hello))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def left_behind(fd: int) -> Hello:
    """What `leave_behind` wrote before. Raises OSError, ValueError."""
    with os.fdopen(fd, "rb") as file:
        message = decode(file.read(MAX_PACKET))
    if not isinstance(message, Hello) or message.version != VERSION:
        raise ValueError("hello")
    return message


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
