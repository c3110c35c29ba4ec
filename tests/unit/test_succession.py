"""What a pulse makes of what its heir says, by the bytes that another release may send."""

from __future__ import annotations

import os
import socket
from typing import Any

import msgspec
import pytest

from hbcore.host import pipe
from hbcore.pulse.succession import HEIR, Succession

ID, NODE = b"cluster!", "node1"
GROUP = {"name": "web", "prefer": [NODE, "node2"], "resources": [], "weight": "of another release"}


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
