"""A node's view of the file system: the machine's programs, and folders of its own where a cluster keeps things.

Owns the root of a node: a tmpfs with the host's top folders bound into it, but its own /etc, /var, /run and /tmp, and
empty /srv and /mnt for what it mounts. Invariant: a node writes nothing to the host's of these; what lasts over a power
off is in `Disk` only. Must not know processes or the network.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hbcore.lab import kernel
from hbcore.lab.cell import CODE
from hbcore.lab.room import PLACE

HOST_ETC = "/.host/etc"
PRIVATE = ("etc", "var", "run", "tmp", "srv", "mnt", "proc", "sys", "lost+found")
OWN_ETC = ("hostname", "hosts", "ha.d", "mtab", "init.d", "resolv.conf")


@dataclass(frozen=True, slots=True)
class Disk:
    """The folders of one node as the room sees them; `run` is emptied at each boot, the others last."""

    config: Path  # the node's /etc/ha.d
    state: Path  # /var/lib/hbcore
    log: Path  # /var/log
    run: Path  # /run/hbcore

    @staticmethod
    def make(place: Path, runtime: Path, template: Path) -> Disk:
        """New folders, the configuration copied from `template`; authkeys readable by its owner only."""
        disk = Disk(place / "ha.d", place / "state", place / "log", runtime)
        for folder in (disk.state, disk.log, disk.run):
            folder.mkdir(parents=True, exist_ok=True)
        disk.state.chmod(0o700)
        if not disk.config.exists():
            shutil.copytree(template, disk.config)
            for script in disk.config.glob("resource.d/*"):
                script.chmod(0o755)
            for keys in disk.config.glob("authkeys"):
                keys.chmod(0o600)
        return disk

    def forget_runtime(self) -> None:
        """What a power off does to /run."""
        for entry in self.run.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    @property
    def binds(self) -> tuple[tuple[Path, str], ...]:
        return (
            (self.config, "/etc/ha.d"),
            (self.state, "/var/lib/hbcore"),
            (self.log, "/var/log"),
            (self.run, "/run/hbcore"),
        )


def programs() -> list[Path]:
    """Where this Python and this code live: a node must see them under the same paths."""
    return [CODE, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), Path(sys.executable).absolute().parent]


def become_root(disk: Disk, hosts: Iterable[tuple[str, str]]) -> None:
    """Makes a new root and enters it. For the first process of a node, in its own mount and PID namespace."""
    new = PLACE / "root"
    new.mkdir(exist_ok=True)
    kernel.mount("node", str(new), "tmpfs", data="mode=755")
    _host_folders(new)
    _etc(new, hosts)
    for folder in ("var/lib", "var/cache", "var/spool", "var/tmp", "run/lock", "tmp", "srv", "mnt", "proc", "sys"):
        (new / folder).mkdir(parents=True)
    for folder in ("tmp", "var/tmp"):
        (new / folder).chmod(0o1777)
    (new / "var/run").symlink_to("/run")
    (new / "var/lock").symlink_to("/run/lock")
    for source, target in disk.binds:
        _bind(source, new / target.lstrip("/"))
    for path in programs():
        if not (new / path.relative_to("/")).exists():
            _bind(path, new / path.relative_to("/"))
    kernel.mount("proc", str(new / "proc"), "proc")
    try:
        kernel.mount("sysfs", str(new / "sys"), "sysfs")  # of this node's network
    except PermissionError:
        kernel.mount("/sys", str(new / "sys"), flags=kernel.MS_BIND | kernel.MS_REC)
    os.chdir(new)
    kernel.mount(str(new), "/", flags=kernel.MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def _bind(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    kernel.mount(str(source), str(target), flags=kernel.MS_BIND | kernel.MS_REC)


def _host_folders(new: Path) -> None:
    for entry in os.scandir("/"):
        if entry.name in PRIVATE:
            continue
        if entry.is_symlink():
            (new / entry.name).symlink_to(os.readlink(entry.path))
        elif entry.is_dir():
            _bind(Path(entry.path), new / entry.name)
    _bind(Path("/etc"), new / HOST_ETC.lstrip("/"))


def _etc(new: Path, hosts: Iterable[tuple[str, str]]) -> None:
    """/etc is the host's by symbolic links, so that it can be added to; init.d likewise."""
    etc = new / "etc"
    (etc / "init.d").mkdir(parents=True)
    for entry in os.scandir("/etc"):
        if entry.name not in OWN_ETC:
            link = os.readlink(entry.path) if entry.is_symlink() else f"{HOST_ETC}/{entry.name}"
            (etc / entry.name).symlink_to(link)
    if os.path.isdir("/etc/init.d"):
        for name in os.listdir("/etc/init.d"):
            (etc / "init.d" / name).symlink_to(f"{HOST_ETC}/init.d/{name}")
    (etc / "hostname").write_text(socket.gethostname() + "\n")
    lines = ["127.0.0.1 localhost", *(f"{address} {name} {name.partition('.')[0]}" for address, name in hosts)]
    (etc / "hosts").write_text("\n".join(lines) + "\n")
