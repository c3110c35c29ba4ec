"""What is played over and over: fresh failovers under rotation, planned moves, frozen owners, kills of the demo.

Owns the plays; each yields one line a run. Invariant: a play that fails yields the line that says so, and goes on with
the next run. Must not know limits or files of results.
"""

from __future__ import annotations

import itertools
import os
import pty
import random
import select
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from tests.cluster.asking import at_home
from tests.cluster.failing import away_and_home, no_beat_lost, rotate
from tests.cluster.guarded import AFTER_S
from tests.cluster.harness import Cluster, Refused
from tests.cluster.moving import clocked, move, orders
from tests.cluster.silence import freeze_and_thaw, remove_guard
from tests.cluster.stalls import ROOT
from tests.cluster.test_lab_leaves import assert_gone, family, outside
from tests.soak.book import Line

WENT_WRONG = (AssertionError, Refused, OSError, TimeoutError)
SCREEN = {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "36"}


def wrong(error: BaseException) -> Line:
    return {"ok": False, "error": f"{type(error).__name__}: {error}"[:300]}


def failovers(count: int) -> Iterator[Line]:
    """Each on a freshly started cluster: keys rotated, power off, takeover, power on, failback."""
    for _ in range(count):
        try:
            with Cluster() as c:
                c.start()
                at_home(c)
                with no_beat_lost(c):
                    rotate(c)
                yield {"ok": True, **asdict(away_and_home(c))}
        except WENT_WRONG as error:
            yield wrong(error)


def moves(count: int) -> Iterator[Line]:
    """On one cluster, by every order in turn; a new one only where a move failed."""
    left = count
    while left:
        try:
            with tempfile.TemporaryDirectory() as folder, Cluster(config=clocked(Path(folder))) as c:
                c.start()
                at_home(c)
                for order in itertools.islice(orders(), left):
                    with c.capture() as seen:
                        done = move(c, *order)
                    assert not seen["two_owners"], seen["conflicts"]
                    left -= 1
                    yield {"ok": True, **asdict(done)}
        except WENT_WRONG as error:
            left -= 1
            yield wrong(error)


def freezes(count: int) -> Iterator[Line]:
    """Everything of ours on the owner, for a while that may be longer than the kernel keeps its address."""
    yield from on_one_cluster(count, lambda c: asdict(freeze_and_thaw(c, random.uniform(1.2, 7.0))))


def flushes(count: int) -> Iterator[Line]:
    """The guard's rules are removed; a second later everything of ours is frozen."""

    def play(c: Cluster) -> Line:
        hurt = remove_guard(c, "nft flush ruleset")
        time.sleep(1 - AFTER_S)
        return {"away": hurt.away_ms, "gap": hurt.gap_ms, "lost": hurt.lost, "silent": freeze_and_thaw(c).silent}

    yield from on_one_cluster(count, play)


def on_one_cluster(count: int, play: Callable[[Cluster], Line]) -> Iterator[Line]:
    """So many plays, each from home; a new cluster only where one failed. `stalled`: what the machine itself stood."""
    left = count
    while left:
        try:
            with Cluster() as c:
                c.start()
                while left:
                    at_home(c)
                    begun = time.monotonic()
                    done = play(c)
                    left -= 1
                    yield {"ok": True, **done, "stalled": c.stalls.longest_ms(begun)}
        except WENT_WRONG as error:
            left -= 1
            yield wrong(error)


def kills(count: int) -> Iterator[Line]:
    """The demo in a terminal, killed at a random moment of its first seconds; what was there before must be all that
    is there afterwards."""
    rng = random.Random()
    for _ in range(count):
        before = outside()
        after_s = rng.uniform(0.1, 6.0)
        pid, screen = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            os.execve(sys.executable, [sys.executable, "-m", "hbtui", "--demo"], {**os.environ, **SCREEN})
        shown = read_on(screen)
        time.sleep(after_s)
        members = family(pid)
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        os.waitpid(pid, 0)
        try:
            assert_gone(members, before)
            gone_ms = (time.monotonic() - killed) * 1000
            yield {"ok": True, "after_s": round(after_s, 2), "processes": len(members), "gone": round(gone_ms, 1)}
        except WENT_WRONG as error:
            yield wrong(error) | {"after_s": round(after_s, 2), "processes": len(members)}
        finally:
            shown.join()
            os.close(screen)


def read_on(screen: int) -> threading.Thread:
    """Takes whatever the demo draws until its terminal is hung up, as a terminal does."""

    def read() -> None:
        try:
            while select.select([screen], [], [], 30)[0] and os.read(screen, 65536):
                pass
        except OSError:  # EIO: the last one who had it is gone
            pass

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread
