"""The failover script of `--once`: the owner is powered off, the other takes over; powered on, the service comes home.

Owns the order of the play and its verdict. Invariant: the verdict is the client's: exit 0 only if the service was on
the first node, moved to the second, and came back. Must not know how a lab works.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from hbcore.lab.lab import Lab
from hbcore.words import say

PATIENCE_S = 60.0  # for each step: initdead is 12 s, and the machine may be slow


@dataclass(slots=True)
class Play:
    lab: Lab
    as_json: bool = False
    patience_s: float = PATIENCE_S
    figures: dict[str, Any] = field(default_factory=dict)

    def say(self, code: str, **args: object) -> None:
        if not self.as_json:
            print(say(code, **args), flush=True)

    async def run(self) -> int:
        """The exit code."""
        lab = self.lab
        first, second = list(lab.nodes)[:2]
        await lab.client.start()
        began = time.monotonic()
        self.say(
            "lab-once-begin", nodes=", ".join(n.machine.host for n in lab.nodes.values()), address=lab.plan.address
        )
        for name in lab.nodes:
            lab.power_on(name)
        moved = False
        home = False
        if await self._served(first, "start", began):
            at = lab.power_off(first).at
            self.say("lab-once-off", node=first)
            moved = await self._served(second, "takeover", at)
        if moved:
            at = time.monotonic()
            lab.power_on(first)
            self.say("lab-once-on", node=first)
            home = await self._served(first, "failback", at)
        whole = lab.client.report(began, time.monotonic())
        good = home and not whole["two_owners"]
        self.figures |= {"ok": good, "moved": moved, "came_back": home, "two_owners": whole["two_owners"]}
        if whole["two_owners"]:
            self.say("lab-once-two-owners", conflicts=whole["conflicts"])
        self.say("lab-once-good" if good else "lab-once-bad")
        if self.as_json:
            print(json.dumps(self.figures), flush=True)
        return 0 if good else 1

    async def _served(self, node: str, step: str, since: float) -> bool:
        """Waits until address and page are this node's; tells and keeps what it cost."""
        served = await self.lab.client.wait_served(node, self.patience_s)
        took_s = time.monotonic() - since
        await self.lab.client.caught_up(since + took_s)
        report = self.lab.client.report(since, since + took_s)
        figures = {"node": node, "served": served, "settled_s": round(took_s, 3)}
        if step != "start":
            figures |= {name: report[name] for name in ("echo", "page")}
        self.figures[step] = figures
        if not served:
            seen = self.lab.client.served()
            self.say("lab-once-not-served", node=node, seconds=round(self.patience_s), echo=seen.node, page=seen.page)
            if not self.as_json:
                self._logs()
        else:
            self.say(f"lab-once-{step}", node=node, echo=ms(report["echo"]), page=ms(report["page"]), seconds=took_s)
        return served

    def _logs(self) -> None:
        """The last lines of what the nodes wrote, for whoever reads why it failed."""
        for name, node in self.lab.nodes.items():
            for log in sorted(node.disk.log.glob("*")):
                if log.is_file():
                    lines = log.read_text(errors="replace").splitlines()[-15:]
                    self.say("lab-once-log", node=name, file=log.name, lines="\n  ".join(lines))


def ms(gap: object) -> str:
    return f"{gap['ms']:.0f} ms" if isinstance(gap, dict) else "-"
