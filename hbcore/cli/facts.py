"""What doctor knows of a node, and what one hbctl tells another of it over SSH.

Owns those shapes. Invariant: every text and list is bounded, so that what another node says of itself can be decoded
and believed to be small. Must not know how anything is found out, nor what it means.

One JSON message a line: Ask, then Facts or Clock.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MOST = 256  # of anything: groups, services, addresses
LONGEST = 1000  # letters
Text = Annotated[str, Meta(max_length=LONGEST)]
Texts = Annotated[list[Text], Meta(max_length=MOST)]
Number = Annotated[int, Meta(ge=0, le=2**32)]


class Ask(msgspec.Struct, frozen=True):
    what: Literal["facts", "clock"]


class Clock(msgspec.Struct, frozen=True):
    """The wall clock, nanoseconds since 1970."""

    unix_ns: Annotated[int, Meta(ge=0, le=2**62)]


class Checked(msgspec.Struct, frozen=True):
    """One line of `hbctl check` that is no note. `place`: file, or file:line. `kind`: what is missing, or ""."""

    place: Text
    severity: Literal["error", "warning"]
    code: Text
    text: Text
    kind: Text = ""


class Service(msgspec.Struct, frozen=True):
    """What a group manages. `unit`: systemd's for it, or the program where there is none."""

    group: Text
    resource: Text
    unit: Text
    enabled: bool
    runs: bool


class Manager(msgspec.Struct, frozen=True):
    """Another cluster manager on this machine."""

    name: Text
    runs: bool


class User(msgspec.Struct, frozen=True):
    name: Text
    uid: Number
    gid: Number


class Folder(msgspec.Struct, frozen=True):
    """A mount point that is no directory here."""

    group: Text
    path: Text


class Occupied(msgspec.Struct, frozen=True):
    """A port of ours that another program has."""

    port: Number
    program: Text


class Shut(msgspec.Struct, frozen=True):
    """Beats that the firewall drops. `chain`: where."""

    device: Text
    port: Number
    chain: Text


class LinkSeen(msgspec.Struct, frozen=True):
    name: Text
    state: Text
    reason: Text


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """`resolved`: what this node's own name leads to here. `held`: groups that its hbcored has here, in whatever state;
    `daemon`: one answers. `namesake`: its alarm about two machines of one name, or "". `unseen`: codes of what could
    not be looked at.
    """

    node: Text
    uname: Text
    config: Text
    nodes: Texts = []
    problems: Annotated[list[Checked], Meta(max_length=MOST)] = []
    resolved: Texts = []
    addresses: Texts = []
    macs: Texts = []
    pings: Texts = []
    services: Annotated[list[Service], Meta(max_length=MOST)] = []
    users: Annotated[list[User], Meta(max_length=MOST)] = []
    folders: Annotated[list[Folder], Meta(max_length=MOST)] = []
    managers: Annotated[list[Manager], Meta(max_length=MOST)] = []
    taken: Annotated[list[Occupied], Meta(max_length=MOST)] = []
    shut: Annotated[list[Shut], Meta(max_length=MOST)] = []
    links: Annotated[list[LinkSeen], Meta(max_length=MOST)] = []
    daemon: bool = False
    held: Texts = []
    namesake: Text = ""
    unseen: Texts = []
