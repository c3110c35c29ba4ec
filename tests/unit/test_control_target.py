"""The grammar of TARGET, above all what may not reach ssh."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hbcore.control.errors import ControlError
from hbcore.control.target import Target, parse, parse_host


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("node1", Target(host="node1")),
        ("root@node1", Target(host="node1", user="root")),
        ("root@node1:2222", Target(host="node1", user="root", port=2222)),
        ("node1.xiaofei.com:22", Target(host="node1.xiaofei.com", port=22)),
        ("fe80::1%eth0", Target(host="fe80::1%eth0")),
        ("root@[2001:db8::1]:2222", Target(host="2001:db8::1", user="root", port=2222)),
        ("[::1]", Target(host="::1")),
        ("root@[192.0.2.1]:2222", Target(host="192.0.2.1", user="root", port=2222)),  # as ssh -G writes ProxyJump
        ("a@b@node1", Target(host="node1", user="a@b")),
        ("/run/x.sock", Target(socket=Path("/run/x.sock"))),
        ("./x", Target(socket=Path("./x"))),
    ],
)
def test_targets(text: str, want: Target) -> None:
    assert parse(text) == want


def test_a_target_writes_itself_as_it_is_read() -> None:
    for text in ("node1", "root@node1:2222", "root@[2001:db8::1]:2222", "/run/x.sock"):
        assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize(
    "text",
    ["-oProxyCommand=x", "root@-oX", "-l@node1", "a b", "node1:", "node1:0", "node1:65536", "node1:x", "@node1", "[::1",
     "[node1]x", "[::1]x", "node;id", "$(id)", "n" * 300, "node1:٣"],
)  # fmt: skip
def test_no_targets(text: str) -> None:
    with pytest.raises(ControlError) as error:
        parse_host(text)
    assert error.value.code == "bad-target"


def test_a_long_path_is_named_with_its_length() -> None:
    with pytest.raises(ControlError, match="120 bytes"):
        parse("/" + "x" * 119)
    assert parse("/" + "x" * 106).socket is not None


def test_a_socket_without_a_slash_is_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("node1")
        assert parse("node1").local
    assert not parse("node2").local


def test_nothing_is_the_local_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HBCORE_RUNTIME", raising=False)
    assert parse(None).socket == Path("/run/hbcore/hbcore.sock")
    monkeypatch.setenv("HBCORE_RUNTIME", "/x")
    assert parse("").socket == Path("/x/hbcore.sock")
