"""One file system that both nodes can mount, as on shared storage: one image, a loop device for each node.

Owns the image, the devices, and the witness of double mounts. Each node has a device of its own, read and written past
this machine's cache, so that the kernel does not know that they are one. Needs root. Must not know services.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from tests.cluster.harness import Cluster

SIZE = 384 << 20
EVERY_S = 0.02
LINK = "disk"  # in /etc/ha.d of each node: the same name on both, as on shared storage


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


class SharedDisk:
    """While inside: the image is there, and who has it mounted is looked at all the time."""

    def __init__(self, folder: Path, nodes: Sequence[str] = ("node1", "node2")) -> None:
        self.image = folder / "shared.img"
        self.devices: dict[str, str] = dict.fromkeys(nodes, "")
        self.double: list[str] = []  # when it was mounted twice, and where
        self.looks = 0
        self._end = threading.Event()
        self._witness = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Self:
        with self.image.open("wb") as file:
            file.truncate(SIZE)
        run("mkfs.ext4", "-q", "-F", str(self.image))
        for node in self.devices:
            self.devices[node] = run("losetup", "--direct-io=on", "--find", "--show", str(self.image))
        self._witness.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._end.set()
        self._witness.join()
        for device in filter(None, self.devices.values()):
            run("losetup", "--detach", device)
        self.image.unlink()

    def attach(self, c: Cluster) -> None:
        """Each node finds its device under the same name."""
        for node, device in self.devices.items():
            link = c.folder(node, "config") / LINK
            link.unlink(missing_ok=True)
            link.symlink_to(device)

    @contextmanager
    def filled(self) -> Iterator[Path]:
        """Mounted here, to put something on it: where a service's own user can come."""
        device = next(iter(self.devices.values()))
        with TemporaryDirectory(prefix="hbtui-disk-") as folder:
            os.chmod(folder, 0o755)
            run("mount", device, folder)
            try:
                os.chmod(folder, 0o755)
                yield Path(folder)
            finally:
                run("umount", folder)

    def check(self) -> str:
        """What fsck says; the file system must be mounted nowhere. AssertionError where it is damaged."""
        done = subprocess.run(["fsck.ext4", "-fn", str(self.image)], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def mounted(self) -> list[str]:
        """The devices that are mounted in any mount namespace of this machine."""
        numbers = {f"7:{os.minor(os.stat(device).st_rdev)}": node for node, device in self.devices.items()}
        found, seen = set(), set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                space = os.stat(f"/proc/{pid}/ns/mnt").st_ino
                if space in seen:
                    continue
                seen.add(space)
                for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
                    if (device := line.split()[2]) in numbers:
                        found.add(numbers[device])
        return sorted(found)

    def _look_on(self) -> None:
        while not self._end.wait(EVERY_S):
            self.looks += 1
            if len(found := self.mounted()) > 1:
                self.double.append(f"{time.monotonic():.3f}: {', '.join(found)}")
