"""hbtui in a real terminal (a pty) and without one: start, quit, signals, stale data, pipes, NO_COLOR, injection."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ALT_ON, ALT_OFF = b"\x1b[?1049h", b"\x1b[?1049l"
MOUSE_OFF = b"\x1b[?1003l"
HBTUI = [sys.executable, "-m", "hbtui"]


@contextlib.contextmanager
def node(scene: str = "healthy") -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "hbcore.sock"
        command = [sys.executable, "-m", "tests.tui.node", str(socket), scene]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None and process.stdout.readline() == "ready\n"
                yield socket, process
            finally:
                process.send_signal(signal.SIGCONT)
                process.kill()


class Terminal:
    """A program on a pty of its own, with everything it wrote."""

    def __init__(self, *arguments: str, size: tuple[int, int] = (80, 24), **env: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLORTERM")}
        environment |= {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONPATH": os.getcwd(), **env}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*HBTUI, *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.out = b""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def read(self, seconds: float) -> None:
        if select.select([self.master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):  # EIO: the other side is closed
                self.out += os.read(self.master, 1 << 16)

    def until(self, text: bytes, seconds: float = 15.0, after: int = 0) -> float:
        start = time.monotonic()
        while text not in self.out[after:]:
            assert time.monotonic() - start < seconds, (text, self.out[after:][-2000:])
            self.read(0.05)
        return time.monotonic() - start

    def end(self, seconds: float = 10.0) -> int:
        """Its exit status; all it wrote is in `out` then."""
        start = time.monotonic()
        while self.process.poll() is None:
            assert time.monotonic() - start < seconds, "it does not end"
            self.read(0.02)
        while select.select([self.master], [], [], 0)[0]:
            before = len(self.out)
            self.read(0)
            if len(self.out) == before:
                break
        return self.process.returncode

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())


def test_starts_shows_and_quits() -> None:
    with node() as (socket, _), Terminal(str(socket)) as terminal:
        terminal.until(b"httpd")
        terminal.until(b"live")
        assert ALT_ON in terminal.out
        terminal.type("q")
        start = time.monotonic()
        assert terminal.end() == 0
        assert time.monotonic() - start < 2.0
        assert ALT_OFF in terminal.out and MOUSE_OFF in terminal.out


def test_it_ends_when_its_terminal_is_gone() -> None:
    """Not its controlling terminal, so nobody sends SIGHUP: what is left of a killed tmux, or of a lost session."""
    with node() as (socket, _):
        terminal = Terminal(str(socket))
        try:
            terminal.until(b"httpd")
            os.close(terminal.master)
            assert terminal.process.wait(10) == 129
        finally:
            terminal.process.kill()
            terminal.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_terminal_as_it_was(number: signal.Signals) -> None:
    with node() as (socket, _), Terminal(str(socket)) as terminal:
        terminal.until(b"httpd")
        before = len(terminal.out)
        terminal.process.send_signal(number)
        assert terminal.end() == 128 + number
        assert ALT_OFF in terminal.out[before:] and MOUSE_OFF in terminal.out[before:]


def test_a_stopped_daemon_shows_its_age_and_comes_back() -> None:
    with node() as (socket, process), Terminal(str(socket)) as terminal:
        terminal.until(b"httpd")
        process.send_signal(signal.SIGSTOP)
        mark = len(terminal.out)
        terminal.until(b"live 1.", 3.0, mark)
        terminal.until(b"stale 3.", 4.0, mark)
        mark = len(terminal.out)
        process.send_signal(signal.SIGCONT)
        terminal.until(b"live", 2.0, mark)


def test_no_color_is_honoured() -> None:
    with node("troubled") as (socket, _), Terminal(str(socket), NO_COLOR="1", COLORTERM="truecolor") as terminal:
        terminal.until(b"two-way")
        terminal.until(b"DEGRADED")
        terminal.type("2")
        terminal.read(0.5)
        assert b"38;2;" not in terminal.out and b"48;2;" not in terminal.out and b"38;5;" not in terminal.out
        terminal.type("q")
        assert terminal.end() == 0


def test_a_node_cannot_write_to_the_terminal() -> None:
    with node("hostile") as (socket, _), Terminal(str(socket)) as terminal:
        terminal.until(b"[/x]")
        for key in ("2", "\r", "3", "4", "5", "!", "s"):
            terminal.type(key)
            terminal.read(0.3)
        assert b"\x1b]0;owned" not in terminal.out and b"\x9b2J" not in terminal.out
        assert b"\xc2\x9b" not in terminal.out
        terminal.process.terminate()
        assert terminal.end() == 128 + signal.SIGTERM


def piped(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HBTUI, *arguments], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
        env={**os.environ, **env},
    )  # fmt: skip


def test_without_a_terminal_it_prints_and_exits_by_health() -> None:
    with node() as (socket, _):
        done = piped(str(socket))
        assert done.returncode == 0, done.stderr
        for wanted in ("web  OK", "node2", "two-way", "httpd", "H7:", "keepalive 100 ms", "joined the cluster"):
            assert wanted in done.stdout, wanted
        assert "\x1b" not in done.stdout
        done = piped("--json", str(socket))
        assert json.loads(done.stdout)["cluster"] == "web" and done.returncode == 0
    with node("troubled") as (socket, _):
        assert piped("--once", str(socket)).returncode == 1
        assert piped(str(socket.with_name("none")), str(socket)).returncode == 1, "the next target answers"
    done = piped(str(socket))
    assert done.returncode == 2
    assert str(socket) in done.stderr and "Traceback" not in done.stderr


def test_a_dumb_terminal_is_refused_with_a_hint() -> None:
    with Terminal("nowhere/hbcore.sock", TERM="dumb") as terminal:
        assert terminal.end() == 2
        assert b"--once" in terminal.out and b"\x1b" not in terminal.out


def test_wrong_use_is_said_without_textual() -> None:
    done = piped("--demo", "earthquake")
    assert done.returncode == 2 and "failover" in done.stderr
    done = piped("--help")
    assert done.returncode == 0 and "Exit status" in done.stdout
    code = "import sys; sys.argv = ['hbtui', '--once', '/nowhere/x.sock']; import hbtui.__main__ as m; m.main(); "
    code += "print([m for m in sys.modules if m.split('.')[0] in ('textual', 'paramiko')])"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "[]", done.stdout
