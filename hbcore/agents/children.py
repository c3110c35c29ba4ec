"""The programs of `respawn` lines: kept running beside the resources, as heartbeat kept its clients.

Owns their processes, from the first start to the last SIGTERM. Invariants: never two copies of one, also where the
daemon that started the first is dead; a program that cannot live is given up; nothing of ours reaches into one (no
real-time class, no socket, no lock, no environment). Must not know when communication is up, nor words.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from hbcore.agents import orphans
from hbcore.agents.capture import Capture, last_words
from hbcore.agents.script import ended
from hbcore.engine.config import Respawn

NEVER_AGAIN = 100  # heartbeat's exit code for "do not start me again"
SHORT_S = 30.0  # a life below that is a short one; more than MOST_SHORT of them in a row are too many
MOST_SHORT = 10
STOP_S = 5.0  # from SIGTERM to SIGKILL
_LOOK_S = 1.0  # how often their output is looked at

Told = Callable[[str, Mapping[str, str], str], None]  # code for `words`, its arguments, severity


class Fate(StrEnum):
    AGAIN = "again"
    NEVER = "never"
    GIVEN_UP = "given-up"


def fate(code: int, lived_s: float, short: int) -> tuple[Fate, int]:
    """What becomes of a program that ended, and how many short lives in a row it then has had. `short`: before."""
    short = short + 1 if lived_s < SHORT_S else 0
    if code == NEVER_AGAIN:
        return Fate.NEVER, short
    return (Fate.GIVEN_UP if short > MOST_SHORT else Fate.AGAIN), short


class Children:
    """One per daemon, in its running loop. `folder`: where running ones are noted; `environment`: what all get."""

    def __init__(self, programs: Sequence[Respawn], folder: Path, environment: Mapping[str, str], told: Told) -> None:
        self._programs = programs
        self._folder = folder
        self._environment = environment
        self._told = told
        self._running: list[tuple[subprocess.Popen[bytes], asyncio.Task[None]] | None] = [None] * len(programs)
        self._begun = self._stopping = False

    async def run(self) -> None:
        """End what a former daemon left, then keep each running; returns when none is to run any more. Once."""
        if self._begun:
            return
        self._begun = True
        if self._folder.is_dir():
            await asyncio.to_thread(orphans.end, self._folder, STOP_S)
        if self._programs:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        await asyncio.gather(*(self._keep(place) for place in range(len(self._programs))))

    async def stop(self) -> None:
        """SIGTERM to each in reverse order, the next when the one before is gone; SIGKILL after STOP_S."""
        self._stopping = True
        for held in reversed(self._running):
            if held is None:
                continue
            process, waiting = held
            _signal(process, signal.SIGTERM)
            done, _ = await asyncio.wait((waiting,), timeout=STOP_S)
            if not done:
                _signal(process, signal.SIGKILL)
                await asyncio.wait((waiting,), timeout=STOP_S)

    async def _keep(self, place: int) -> None:
        program = self._programs[place]
        named = {"program": " ".join(program.argv), "user": program.user}
        loop = asyncio.get_running_loop()
        short = 0
        while not self._stopping:
            output = Capture()
            begun = loop.time()
            try:
                process = self._spawn(program, output.fd)
            except (OSError, KeyError, subprocess.SubprocessError) as error:
                why = errno.errorcode.get(error.errno or 0, "EIO") if isinstance(error, OSError) else "ENOENT"
                self._told("respawn-not-run", {**named, "error": why}, "error")
                output.close()
                return
            orphans.note(self._folder, process.pid)
            self._told("respawn-started", {**named, "pid": str(process.pid)}, "info")
            waiting = loop.create_task(_end_of(process, output))
            self._running[place] = process, waiting
            await waiting
            self._running[place] = None
            orphans.forget(self._folder, process.pid)
            said = last_words(output.tail()) or "-"
            output.close()
            if self._stopping:
                return
            lived_s = loop.time() - begun
            what, short = fate(process.returncode, lived_s, short)
            how = f"exit {process.returncode}" if process.returncode >= 0 else _name(-process.returncode)
            if what is Fate.NEVER:
                self._told("respawn-never", {**named, "said": said}, "warning")
                return
            if what is Fate.GIVEN_UP:
                args = {**named, "how": how, "most": str(MOST_SHORT), "seconds": f"{SHORT_S:g}", "said": said}
                self._told("respawn-given-up", args, "error")
                return
            self._told("respawn-ended", {**named, "how": how, "seconds": f"{lived_s:.1f}", "said": said}, "warning")

    def _spawn(self, program: Respawn, output: int) -> subprocess.Popen[bytes]:
        """Raises OSError, KeyError (no such user any more)."""
        user = pwd.getpwnam(program.user)
        other = user.pw_uid != os.geteuid()
        own = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
        return subprocess.Popen(
            program.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={**self._environment, **own},
            start_new_session=True,
            umask=0o022,
            user=user.pw_uid if other else None,
            group=user.pw_gid if other else None,
            extra_groups=os.getgrouplist(user.pw_name, user.pw_gid) if other else None,
        )


async def _end_of(process: subprocess.Popen[bytes], output: Capture) -> None:
    await ended(process, math.inf, (output,), _LOOK_S)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To all of its process group; as long as it was not reaped, its number is its own."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
