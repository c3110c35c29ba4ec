"""Debian 12's own kernel, 6.1, in an emulated machine, with one program of this tree.

The machine gets this tree's Python files and as much of Debian's Python as those tests load. Owns build/kernel61, where
the kernel's package is taken apart, never installed. Invariant: nothing is written elsewhere, and the machine has
neither disk nor network. Must not know what is run.
"""

from __future__ import annotations

import gzip
import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build/kernel61"
PACKAGE = "linux-image-cloud-amd64"
PYTHON = "/usr/bin/python3"
MODULES = ("nf_tables", "veth", "bridge", "nft_nat", "nft_chain_nat")
TIMEOUT_S = 400
_ALWAYS = "ctypes, encodings.ascii, encodings.latin_1, runpy, subprocess, sys"
_TELL = "print(*{m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)}, sep='\\n')"


def kernel() -> Path:
    """The package's files, downloaded once. Raises CalledProcessError; LookupError where this is not Debian 12."""
    for place in sorted(CACHE.glob("linux-image-6.1.*")):
        return place
    depends = subprocess.run(["apt-cache", "depends", PACKAGE], check=True, capture_output=True, text=True).stdout
    found = re.search(r"Depends: (linux-image-6\.1\.\S+)", depends)
    if found is None:
        raise LookupError(f"{PACKAGE} is no Linux 6.1 here")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as half:
        subprocess.run(["apt-get", "-q", "download", found[1]], check=True, cwd=half, capture_output=True)
        (package,) = Path(half).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package, f"{half}/tree"], check=True)
        return Path(f"{half}/tree").rename(CACHE / found[1])


def modules(tree: Path, wanted: Iterable[str]) -> list[Path]:
    """These and what they depend on, in the order to load them."""
    there = {path.stem.replace("-", "_"): path for path in tree.glob("lib/modules/*/kernel/**/*.ko")}
    order: dict[str, Path] = {}

    def add(name: str) -> None:
        path = there[name]
        depends = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for one in depends[1].decode().split(",") if depends and depends[1] else ():
            add(one.replace("-", "_"))
        order[name] = path

    for name in wanted:
        add(name)
    return list(order.values())


def python(module: str) -> set[str]:
    """The files of Debian's Python that this module loads, outside this tree, and the libraries those need."""
    command = [PYTHON, "-c", f"import {_ALWAYS}, {module}\n{_TELL}"]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.split("\n")
    files = {os.path.realpath(name) for name in loaded if name and not name.startswith(f"{ROOT}/")}
    return files | {PYTHON} | libraries({PYTHON} | {name for name in files if name.endswith(".so")})


def libraries(programs: Collection[str]) -> set[str]:
    if not programs:
        return set()
    told = subprocess.run(["ldd", *programs], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"(/\S+) \(0x", told))


def initramfs(tree: Path, arguments: Iterable[str], programs: Collection[str]) -> bytes:
    """A cpio archive ("newc"), gzipped."""
    order = modules(tree, MODULES)
    files = {"init": (ROOT / "tests/kernel61/init.py", 0o755)}
    host = python("tests.unit.test_host_guard, tests.kernel61.leases") | set(programs) | libraries(programs)
    for name in host:
        files[name.lstrip("/")] = (Path(name), 0o755)
    for path in (*ROOT.glob("hbcore/**/*.py"), *ROOT.glob("tests/**/*.py")):
        files[f"hbtui/{path.relative_to(ROOT)}"] = (path, 0o644)
    for path in order:
        files[f"lib/{path.name}"] = (path, 0o644)
    contents = {name: (path.read_bytes(), stat.S_IFREG | mode) for name, (path, mode) in files.items()}
    contents["modules"] = "".join(f"/lib/{path.name}\n" for path in order).encode(), stat.S_IFREG | 0o644
    contents["arguments"] = "\n".join(arguments).encode(), stat.S_IFREG | 0o644
    directories = {str(parent) for name in contents for parent in Path(name).parents} - {"."}
    for name in sorted(directories | {"proc", "sys", "tmp", "dev"}):
        contents[name] = b"", stat.S_IFDIR | 0o755
    return gzip.compress(b"".join(_archived(contents)), compresslevel=1)


def _archived(contents: dict[str, tuple[bytes, int]]) -> Iterator[bytes]:
    for number, name in enumerate(sorted(contents), 1):  # a directory sorts before what is in it
        yield _entry(number, name, *contents[name])
    yield _entry(0, "TRAILER!!!", b"", 0)


def _entry(number: int, name: str, data: bytes, mode: int) -> bytes:
    """Of a cpio archive: "070701", 13 fields of 8 hex digits, the name, the data; each to a multiple of 4."""
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def boot(arguments: Iterable[str], programs: Collection[str] = ()) -> str:
    """What the machine wrote until it ended, at most TIMEOUT_S. It wrote "status N" where it came to its end."""
    tree = kernel()
    (image,) = tree.glob("boot/vmlinuz-*")
    with tempfile.NamedTemporaryFile(dir=CACHE) as archive:
        archive.write(initramfs(tree, arguments, programs))
        archive.flush()
        line = "console=ttyS0 quiet panic=-1 mitigations=off"
        machine = ["-accel", "tcg", "-cpu", "max", "-m", "512", "-nodefaults", "-no-user-config", "-no-reboot"]
        end = ["-display", "none", "-serial", "stdio", "-kernel", str(image), "-initrd", archive.name, "-append", line]
        done = subprocess.run(
            ["qemu-system-x86_64", *machine, *end],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
        )
    return done.stdout.decode(errors="replace").replace("\r", "")
