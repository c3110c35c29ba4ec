"""What a power cut does to the file systems a node has on block devices of its own: what is not on the disk is lost.

Owns that cut; without it the kernel, which is not cut, would write everything back while it puts the dead node's mounts
away. Invariant: only loop devices that nobody but the node has mounted are struck. Must not know nodes.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN: _IOR('X', 125, __u32)
NO_FLUSH = (2).to_bytes(4, "little")  # ..._GOING_FLAGS_NOLOGFLUSH: neither data nor journal
KINDS = ("ext4", "xfs")


def cut(pid: int) -> list[str]:
    """Ends all writing of the machine whose first process this is, at once. The mount points that it struck."""
    ours = {device for device, *_ in _mounts("self")}
    struck = []
    for device, point, kind, source in _mounts(str(pid)):
        if device not in ours and kind in KINDS and source.startswith("/dev/loop"):
            with suppress(OSError):
                _shut_down(f"/proc/{pid}/root{point}")
                struck.append(point)
    return struck


def _shut_down(path: str) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(folder, SHUTDOWN, NO_FLUSH)
    finally:
        os.close(folder)


def _mounts(pid: str) -> list[tuple[str, str, str, str]]:
    """Device number, mount point, kind and source of each (proc_pid_mountinfo(5))."""
    found = []
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        fields, (kind, source, *_) = left.split(), right.split()
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        found.append((fields[2], point, kind, source))
    return found
