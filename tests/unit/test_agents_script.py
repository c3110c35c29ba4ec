"""Real scripts, run for real: verdicts, arguments, environment, timeouts, what they leave behind, what they print."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hbcore.agents import capture
from hbcore.agents.script import Result, Run, environment
from hbcore.agents.verdict import Kind
from hbcore.engine.config import SECOND
from hbcore.engine.events import Outcome

ENV = environment("node1.xiaofei.com", Path("/etc/ha.d"), {"logfile": "/var/log/ha-log", "debugfile": None})


class Scripts:
    """A folder of scripts; what they leave running is ended after the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, body: str, first: str = "#!/bin/sh\n") -> Path:
        path = self.folder / "httpd"
        path.write_text(first + body)
        path.chmod(0o755)
        return path

    async def run(
        self, body: str, operation: str = "status", *, kind: Kind = Kind.HEARTBEAT, args: Sequence[str] = (),
        timeout_ns: int = 10 * SECOND, first: str = "#!/bin/sh\n",
    ) -> Result:  # fmt: skip
        one = Run(self.write(body, first), kind, args, operation, ENV)
        return await one.result(timeout_ns, capture.path_for(self.folder, "httpd"))

    def pids(self) -> list[int]:
        return [int(line) for line in (self.folder / "pids").read_text().split()]


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[Scripts]:
    made = Scripts(tmp_path)
    yield made
    if (tmp_path / "pids").exists():
        for pid in made.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def dead(pid: int) -> bool:
    """Within a second: a killed process takes a moment on a busy machine."""
    for _ in range(100):
        if not alive(pid):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_operation_comes_last_after_the_arguments(scripts: Scripts) -> None:
    result = await scripts.run('echo "$#:$1:$2:$3"', "start", args=("/dev/sdb1", "a b"))
    assert (result.outcome, result.code, result.output) == (Outcome.OK, 0, "3:/dev/sdb1:a b:start")


async def test_environment_is_heartbeats_and_nothing_of_ours(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HBCORE_SECRET", "x")
    result = await scripts.run("env | sort; pwd; umask; readlink /proc/self/fd/0", "start")
    lines = result.output.splitlines()
    assert "HA_CURHOST=node1.xiaofei.com" in lines
    assert "HA_DIR=/etc/ha.d" in lines
    assert "HA_LOGFILE=/var/log/ha-log" in lines
    assert "LC_ALL=C" in lines
    assert not any(line.startswith(("HBCORE", "HA_DEBUGLOG", "HA_LOGFACILITY", "VIRTUAL_ENV")) for line in lines)
    assert lines[-3:] == ["/", "0022", "/dev/null"]


async def test_status_is_read_from_stdout_only(scripts: Scripts) -> None:
    result = await scripts.run("echo 'not running'; echo 'OK, I am running' >&2; exit 0")
    assert result.outcome is Outcome.STOPPED
    assert "I am running" in result.output  # yet a person sees both


async def test_the_two_classes_read_the_same_answer_differently(scripts: Scripts) -> None:
    body = "echo running; exit 3"
    assert (await scripts.run(body, kind=Kind.HEARTBEAT)).outcome is Outcome.RUNNING
    assert (await scripts.run(body, kind=Kind.LSB)).outcome is Outcome.STOPPED


async def test_start_that_fails(scripts: Scripts) -> None:
    result = await scripts.run("echo 'port 80 is taken' >&2; exit 7", "start")
    assert (result.outcome, result.code, result.output) == (Outcome.FAILED, 7, "port 80 is taken")


async def test_timeout_kills_the_whole_group_and_is_unknown(scripts: Scripts) -> None:
    body = f"echo begun; sleep 300 & echo $! >> {scripts.folder}/pids; echo $$ >> {scripts.folder}/pids; wait"
    begun = time.monotonic()
    result = await scripts.run(body, "stop", timeout_ns=SECOND // 2)
    assert (result.outcome, result.code, result.why, result.output) == (Outcome.UNKNOWN, None, "timeout", "begun")
    assert 0.5 <= time.monotonic() - begun < 2.0
    child, own = scripts.pids()
    assert not alive(own)
    assert await dead(child)


async def test_status_that_hangs_is_unknown_although_it_said_stopped(scripts: Scripts) -> None:
    result = await scripts.run("echo 'not running'; sleep 300", timeout_ns=SECOND // 5)
    assert (result.outcome, result.why) == (Outcome.UNKNOWN, "timeout")


async def test_a_script_that_ignores_sigterm_is_killed_too(scripts: Scripts) -> None:
    result = await scripts.run("trap '' TERM INT HUP; while :; do sleep 1; done", "stop", timeout_ns=SECOND // 5)
    assert result.why == "timeout"


async def test_kill(scripts: Scripts) -> None:
    one = Run(scripts.write("sleep 300"), Kind.LSB, (), "start", ENV)
    running = asyncio.create_task(one.result(60 * SECOND, capture.path_for(scripts.folder, "httpd")))
    await asyncio.sleep(0.1)
    one.kill()
    result = await asyncio.wait_for(running, 2)
    assert (result.outcome, result.why) == (Outcome.UNKNOWN, "killed")


async def test_cancelled_run_leaves_no_process(scripts: Scripts) -> None:
    one = Run(scripts.write(f"echo $$ > {scripts.folder}/pids; exec sleep 300"), Kind.LSB, (), "start", ENV)
    running = asyncio.create_task(one.result(60 * SECOND))
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await dead(scripts.pids()[0])


async def test_a_service_left_behind_does_not_hold_us_up_and_may_go_on_talking(scripts: Scripts) -> None:
    """It inherits stdout and stderr, and talks later: with a pipe it would have died of SIGPIPE."""
    body = (
        f"(while :; do echo still here; echo and here >&2; sleep 0.05; done) & echo $! >> {scripts.folder}/pids\n"
        "echo started; exit 0"
    )
    begun = time.monotonic()
    result = await scripts.run(body, "start")
    assert result.outcome is Outcome.OK
    assert time.monotonic() - begun < 1.0
    await asyncio.sleep(0.3)
    assert alive(scripts.pids()[0])
    assert (await scripts.run("echo running")).outcome is Outcome.RUNNING  # and its words are not those of a status
    assert (await scripts.run("echo 'not running'")).outcome is Outcome.STOPPED


async def test_output_is_bounded_while_it_runs(scripts: Scripts) -> None:
    kept = capture.path_for(scripts.folder, "httpd")
    result = await scripts.run("yes 0123456789 & echo $! >> pids; sleep 0.5; kill $!; echo end; exit 1".replace(
        "pids", f"{scripts.folder}/pids"), "start")  # fmt: skip
    assert result.outcome is Outcome.FAILED
    assert len(result.output) <= capture.TAIL
    assert result.output.endswith("end")
    await asyncio.sleep(0.05)
    again = await scripts.run("echo once more", "start")  # the next start cuts what is left
    assert again.output == "once more"
    assert kept.stat().st_size <= capture.ROOM


async def test_each_run_shows_its_own_words_only(scripts: Scripts) -> None:
    await scripts.run("echo first", "start")
    assert (await scripts.run("echo second", "start")).output == "second"


async def test_control_characters_never_reach_a_person(scripts: Scripts) -> None:
    body = r"""printf '\033[31mred\033[0m \033]0;title\007bell\a\tTab\r\nnext\001\302\205\342\200\256\377'; exit 1"""
    result = await scripts.run(body, "start")
    assert result.output == "red bell Tab\nnext�"


async def test_a_script_without_a_first_line_is_a_shell_script(scripts: Scripts) -> None:
    result = await scripts.run('echo "hello $1"', "start", first="")
    assert (result.outcome, result.output) == (Outcome.OK, "hello start")


@pytest.mark.parametrize(
    ("first", "mode", "why"), [("#!/no/such/shell\n", 0o755, "ENOENT"), ("#!/bin/sh\n", 0o644, "EACCES")]
)
async def test_a_script_that_cannot_run(scripts: Scripts, first: str, mode: int, why: str) -> None:
    path = scripts.write("echo running", first)
    path.chmod(mode)
    outcomes = {}
    for operation in ("start", "stop", "status"):
        result = await Run(path, Kind.HEARTBEAT, (), operation, ENV).result(SECOND)
        assert result.why == why
        outcomes[operation] = result.outcome
    assert outcomes == {"start": Outcome.FAILED, "stop": Outcome.UNKNOWN, "status": Outcome.UNKNOWN}


async def test_side_by_side(scripts: Scripts) -> None:
    path = scripts.write("sleep 0.3; echo running")
    begun = time.monotonic()
    runs = [Run(path, Kind.HEARTBEAT, (), "status", ENV).result(10 * SECOND) for _ in range(6)]
    assert {r.outcome for r in await asyncio.gather(*runs)} == {Outcome.RUNNING}
    assert time.monotonic() - begun < 1.2  # not 6 x 0.3


async def test_no_descriptor_and_no_zombie_is_left(scripts: Scripts) -> None:
    await scripts.run("echo running")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        await scripts.run("echo running")
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        any_child()


def any_child() -> None:
    os.waitpid(-1, os.WNOHANG)


def spawn_and_wait(path: Path) -> None:
    os.waitpid(os.posix_spawn(path, [str(path)], dict(os.environ)), 0)


async def test_overhead(scripts: Scripts) -> None:
    """What we add to a script's own time: median of 30, beside a plain spawn of the same script."""
    path = scripts.write("exit 0")
    ours, plain = [], []
    for _ in range(30):
        begun = time.perf_counter()
        await Run(path, Kind.LSB, (), "status", ENV).result(10 * SECOND)
        ours.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        spawn_and_wait(path)
        plain.append(time.perf_counter() - begun)
    added_ms = (sorted(ours)[15] - sorted(plain)[15]) * 1000
    print(f"script: ours {sorted(ours)[15] * 1000:.2f} ms, plain {sorted(plain)[15] * 1000:.2f} ms")
    assert added_ms < 10, added_ms
