"""What a pulse makes of what its heir says, by the bytes that another release may send."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hbcore.cli.hbcored import build
from hbcore.engine.keys import Key, Keyring, Method
from hbcore.host import pipe
from hbcore.pulse.loop import Start, heirs_arguments
from hbcore.pulse.succession import HEIR, Succession
from tests.unit.duo import config

KEYS = Keyring(1, (Key(1, Method.SHA256, b"k" * 32),))
ID, NODE = b"cluster!", "node1"
GROUP = {"name": "web", "prefer": [NODE, "node2"], "resources": [], "weight": "of another release"}


@pytest.mark.parametrize("told", [True, False])
def test_an_heir_has_the_machines_name_of_now_unless_another_was_told(
    monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """With the name of before, a machine that was renamed would go on under it, however often it is restarted."""
    monkeypatch.delenv("HBCORE_NODE", raising=False)
    start = Start(NODE, config(), KEYS, Path("/c"), Path("/s"), Path("/r"), 1, 0, told=told)
    heir = build().parse_args(heirs_arguments(start))
    assert (heir.config, heir.state, heir.runtime) == (Path("/c"), Path("/s"), Path("/r"))
    assert heir.node == (NODE if told else None)


@pytest.mark.parametrize(
    ("version", "cluster", "node", "groups", "code"),
    [
        (pipe.VERSION, ID, NODE, [], ""),
        (pipe.VERSION + 1, ID, NODE, [], "heir-version"),
        (pipe.VERSION + 1, ID, NODE, [GROUP], "heir-version"),
        (pipe.VERSION, b"another!", NODE, [], "heir-cluster"),
        (pipe.VERSION, ID, "node2", [], "heir-cluster"),
    ],
)
def test_an_heir_of_another_release_is_not_our_end(
    monkeypatch: pytest.MonkeyPatch, version: int, cluster: bytes, node: str, groups: list[Any], code: str
) -> None:
    heirs: list[socket.socket] = []

    def spawn(program: str, argv: list[str], environment: dict[str, str], **_: object) -> int:
        heirs.append(socket.socket(fileno=os.dup(int(environment[HEIR]))))
        return 0

    monkeypatch.setattr(os, "posix_spawn", spawn)
    succession = Succession([], managed=False)
    said = {"version": version, "cluster": cluster, "node": node, "groups": groups}
    heirs[0].send(msgspec.msgpack.encode(("Heir", said)))
    assert (succession.heard(ID, NODE), succession.ready) == (code, not code)
    heirs[0].close()
    assert succession.heard(ID, NODE) == "heir-failed"
    succession.pipe.close()
