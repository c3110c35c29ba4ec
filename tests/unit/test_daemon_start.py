"""The daemon's first words to pulse: the real process, over the real pipe."""

from __future__ import annotations

import select
import subprocess
import sys
import tempfile

from hbcore.engine.effects import Say
from hbcore.engine.keys import Key, Keyring, Method
from hbcore.host import clock, pipe
from tests.unit.duo import NAMES, config
from tests.unit.links_net import in_namespace, ip


@in_namespace
def test_its_first_words_name_the_cards() -> None:
    """A pulse that knows no card of its own cannot hear that its name is taken, and speaks all the same."""
    ip("link add eth0 type veth peer name eth1")
    ip("addr add 192.168.100.1/24 dev eth0")
    ip("link set eth0 up")
    ours, theirs = pipe.pair()
    now = clock.now_ns()
    keys = Keyring(1, (Key(1, Method.SHA256, b"k" * 32),))
    with tempfile.TemporaryDirectory() as folder:
        places = ["--state", folder, "--runtime", folder]
        argv = [sys.executable, "-m", "hbcore.daemon", "--fd", str(theirs.fileno()), *places]
        daemon = subprocess.Popen(argv, pass_fds=[theirs.fileno()])
        theirs.close()
        try:
            end = pipe.Pipe(ours)
            hello = pipe.Hello(pipe.VERSION, NAMES[0], config(), folder, now, 0, {}, False, 1, 0, keys, {})
            end.send(hello)
            said: list[Say] = []
            while not said:
                assert select.select([end], [], [], 20)[0], "it says nothing"
                said = [message for message in end.drain() if isinstance(message, Say)]
                assert not end.closed
            assert [service.ip for service in said[0].words.services] == ["192.168.100.1"]
        finally:
            daemon.kill()
            daemon.wait()
