"""What must be true of a cluster whatever was done to it, once it is at home again: nothing of ours is where it should
not be, nothing is missing, and what was written can be read.

Owns the list. Invariant: it only looks; it waits a little for what is ending. Must not know what was done.
"""

from __future__ import annotations

import re
from pathlib import Path

from hbcore.engine.effects import Stored
from hbcore.host import files, state
from tests.cluster.asking import HOST, alarms, group, has_address, until, web
from tests.cluster.harness import Cluster

EXPECTED = (b"\0-I\0-S\0-c\0", b"sh\0/var/log/boot\0")  # the lab's responder; who waits for hbcored (start_again)
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (\S+) hbcored\[\d+\]: (info|warning|error): [a-z0-9-]+: \S.*")
STORM = 400  # lines of log that one test may write on a node
KNOWN = {"state.json", "incarnation.json", ".state.json.new", ".incarnation.json.new"}
ENDING_S = 5.0
ALARMS_S = 15.0  # a foreign host with the address is spoken of for 10 s after it was last heard


class Auditor:
    """Made when the cluster is well: what is mounted then is what has to be mounted later."""

    def __init__(self, c: Cluster) -> None:
        self._c = c
        self._mounts = {node: mounts(c, node) for node in HOST}
        self._lines = dict.fromkeys(HOST, 0)

    def check(self, owner: str = "node1") -> None:
        """AssertionError, with what is wrong."""
        until(lambda: all(not alarms(self._c, node) for node in HOST), ALARMS_S)
        for node in HOST:
            assert group(self._c, node)["node"] == HOST[owner], group(self._c, node)
            self._processes(node, owner=node == owner)
            self._kernel(node, owner=node == owner)
            assert mounts(self._c, node) == self._mounts[node]
            self._state(self._c.folder(node, "state"))
            self._logs(node, self._c.folder(node, "log"))
        seen = {o["node"] for o in self._c.watch(0.3)["owners"]}
        assert seen == {owner}, seen

    def _processes(self, node: str, *, owner: bool) -> None:
        c, told = self._c, ""

        def right() -> bool:
            nonlocal told
            ours = [len(c.pids(node, kind)) for kind in ("pulse", "daemon")]
            others = set(c.pids(node, "all")) - set(c.pids(node, "ours")) - set(web(c, node))
            strangers = [line for line in map(command, others) if line and not any(e in line for e in EXPECTED)]
            told = f"{node}: {ours} of ours, web {web(c, node)}, besides {strangers}"
            return ours == [1, 1] and bool(web(c, node)) is owner and not strangers

        try:
            until(right, ENDING_S)
        except AssertionError:
            raise AssertionError(told) from None

    def _kernel(self, node: str, *, owner: bool) -> None:
        assert has_address(self._c, node) is owner, node
        tables = self._c.run(node, "nft", "list", "tables").out.split("\n")
        ours = {line for line in tables if "hbcore" in line}
        assert ours == ({"table arp hbcore_guard", "table inet hbcore_guard"} if owner else set()), (node, ours)

    @staticmethod
    def _state(folder: Path) -> None:
        assert {path.name for path in folder.iterdir()} <= KNOWN, list(folder.iterdir())
        assert files.read(folder / state.STATE, state.STATE_FORMAT, Stored) is not None
        assert files.read(folder / state.INCARNATION, state.INCARNATION_FORMAT, int) is not None

    def _logs(self, node: str, folder: Path) -> None:
        said = (folder / "hbcored.err").read_text()
        assert "Traceback" not in said, said[-3000:]
        lines = (folder / "ha-log").read_text().splitlines()
        grown, self._lines[node] = len(lines) - self._lines[node], len(lines)
        assert grown < STORM, lines[-20:]
        for line in lines[-grown:] if grown else ():
            found = LINE.fullmatch(line)
            assert found is not None and found[1] == HOST[node], line


def mounts(c: Cluster, node: str) -> list[str]:
    """Without the numbers that each boot has anew."""
    shown = c.run(node, "cat", "/proc/mounts").out
    return sorted(re.sub(r"(size|nr_inodes|gid|uid)=\w+", "", line) for line in shown.splitlines())


def command(pid: int) -> bytes:
    """Its command line; b"" where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
