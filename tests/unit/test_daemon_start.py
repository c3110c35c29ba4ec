"""The daemon's first words to pulse: the real process, over the real pipe."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from dataclasses import replace

import pytest

from hbcore.engine.beat import MAX_GROUPS, Words
from hbcore.engine.config import ClusterConfig, GroupDef, Resource
from hbcore.engine.effects import Say
from hbcore.engine.keys import Key, Keyring, Method
from hbcore.host import clock, pipe
from tests.unit.duo import NAMES, config
from tests.unit.links_net import in_namespace, ip


def first_words(cluster: ClusterConfig) -> Words:
    ours, theirs = pipe.pair()
    keys = Keyring(1, (Key(1, Method.SHA256, b"k" * 32),))
    with tempfile.TemporaryDirectory() as folder:
        places = ["--state", folder, "--runtime", folder]
        argv = [sys.executable, "-m", "hbcore.daemon", "--fd", str(theirs.fileno()), *places]
        daemon = subprocess.Popen(argv, pass_fds=[theirs.fileno()])
        theirs.close()
        try:
            end = pipe.Pipe(ours)
            now = clock.now_ns()
            end.send(pipe.Hello(pipe.VERSION, NAMES[0], cluster, folder, now, 0, {}, False, 1, 0, keys, {}))
            while True:
                assert select.select([end], [], [], 20)[0], "it says nothing"
                for message in end.drain():
                    if isinstance(message, Say):
                        return message.words
                assert not end.closed, "it ended"
        finally:
            daemon.kill()
            daemon.wait()


@in_namespace
def test_they_name_the_cards() -> None:
    """A pulse that knows no card of its own cannot hear that its name is taken, and speaks all the same."""
    ip("link add eth0 type veth peer name eth1")
    ip("addr add 192.168.100.1/24 dev eth0")
    ip("link set eth0 up")
    assert [service.ip for service in first_words(config()).services] == ["192.168.100.1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="how much a socket of others holds is the machine's to say")
@in_namespace
def test_files_as_long_as_they_may_be_reach_it() -> None:
    ip("link add eth0 type veth peer name eth1")
    many = tuple(Resource(f"service{n}", "script", "service", (str(n),)) for n in range(30))
    groups = tuple(GroupDef(f"group{n}", NAMES, many) for n in range(MAX_GROUPS))
    assert len(first_words(replace(config(), groups=groups)).groups) == MAX_GROUPS
