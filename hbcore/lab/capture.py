"""A capture on the switch while it runs, and its verdict: who spoke for the address, and whether two did at once.

Owns the capturing process and its file. Invariant: a verdict says how many frames were lost. Must not know nodes.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from hbcore.lab import owners
from hbcore.lab.cell import CODE, PATH, start
from hbcore.lab.room import PLACE
from hbcore.lab.switch import BRIDGE
from hbcore.lab.trouble import LabError

READY_S = 10.0


class Capture:
    """Runs from when it is made. Raises LabError where it cannot."""

    def __init__(self, address: str, beat_port: int) -> None:
        self.file = PLACE / f"capture-{time.monotonic_ns()}.pcap"
        self._words = self.file.with_suffix(".log")
        self._address = address
        argv = [sys.executable, "-m", "hbcore.lab.sniff", BRIDGE, str(self.file), address, str(beat_port)]
        self._process = start(argv, {"PATH": PATH, "PYTHONPATH": str(CODE)}, str(self._words))
        end = time.monotonic() + READY_S
        while "ready" not in self._said():
            if self._process.wait_dead(0.01) or time.monotonic() > end:
                raise LabError("lab-command-failed", command="capture", said=self._said())

    def _said(self) -> str:
        return self._words.read_text().strip() if self._words.exists() else ""

    def stop(self, name: Callable[[str], str]) -> dict[str, Any]:
        """The verdict; `name` tells whose a MAC is."""
        self._process.signal(signal.SIGTERM)
        self._process.wait_dead()
        seen = owners.capture(self.file, self._address, time.monotonic() - time.time())
        return {
            **json.loads(self._said().splitlines()[-1]),
            **owners.verdict(seen, name),
        }
