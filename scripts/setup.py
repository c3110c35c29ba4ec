"""Sets up what one make target needs: `setup.py venv|demo|test`. Standard library only, for it runs before all else.

Owns `.venv`, its stamps, and the packages of `packages.apt`.
Invariant: a set-up that is complete is left alone (milliseconds); one that failed leaves no stamp, and never a
`policy-rc.d` behind. Must not know what the programs are used for.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LEVELS = ("venv", "demo", "test")  # each needs what the ones before it need
LOCKS = {"venv": "requirements.lock", "demo": "requirements.lock", "test": "requirements-dev.lock"}
SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
POLICY = Path("/usr/sbin/policy-rc.d")
ASIDE = POLICY.with_name("policy-rc.d.before-hbtui")
OURS = "#!/bin/sh\n# hbtui's set-up: no service starts while its packages are installed\nexit 101\n"
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEAKS = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")  # of someone else's Python
UNITS = {
    "lighttpd": ("lighttpd",),
    "openssh-server": ("ssh",),
    "apache2": ("apache2", "apache-htcacheclean"),
    "mariadb-server": ("mariadb",),
}  # what a package would start at the next boot


@dataclass(frozen=True)
class Package:
    """One line of packages.apt."""

    name: str
    program: str
    level: str
    why: str

    def present(self) -> bool:
        if self.program == "ensurepip":  # Debian splits it from python3; without it venv cannot put pip in
            return all(importlib.util.find_spec(module) for module in ("venv", "ensurepip"))
        return any(
            os.path.exists(program) if program.startswith("/") else shutil.which(program, path=SEARCH)
            for program in self.program.split("|")
        )


def fail(sentence: str) -> NoReturn:
    sys.exit(f"hbtui set-up: {sentence}")


def packages(level: str) -> list[Package]:
    """What `level` needs, in the order of the file. Raises ValueError for a line that is not of its shape."""
    found = []
    for line in (ROOT / "packages.apt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, program, first, why = line.split(maxsplit=3)
            if LEVELS.index(first) <= LEVELS.index(level):
                found.append(Package(name, program, first, why))
    return found


def provide(level: str) -> None:
    """Installs the missing packages as root; else names them. Those only tests need do not stop an ordinary user."""
    missing = [p for p in packages(level) if not p.present()]
    if not missing:
        return
    names = [p.name for p in missing]
    line = f"apt-get install --no-install-recommends {' '.join(names)}"
    if os.geteuid() == 0 and shutil.which("apt-get", path=SEARCH):
        install(names, line)
        importlib.invalidate_caches()
        left = [f"{p.name} ({p.program})" for p in packages(level) if not p.present()]
        if left:
            fail(f"installed, yet not found: {', '.join(left)}")
        return
    for package in missing:
        print(f"hbtui set-up: missing {package.name} (program {package.program}): {package.why}", file=sys.stderr)
    stops = [p for p in missing if p.level != "test"]
    if stops or os.geteuid() == 0:
        fail(f"{', '.join(names)} missing; as root: {line}")
    print(f"hbtui set-up: going on; tests that need them will not be run. As root: {line}", file=sys.stderr)


def install(names: list[str], line: str) -> None:
    print(f"hbtui set-up: {line}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0"]
    step([*apt, "update"], quiet, "apt-get has no package lists")
    fetch = [*apt, "install", "--no-install-recommends", *names]
    step([*fetch, "--download-only"], quiet, f"as root: {line}")
    with no_services(), uninterrupted():
        step([*fetch, "--no-download"], quiet, f"as root: {line}")
        for unit in (u for name in names for u in UNITS.get(name, ())):
            step(["update-rc.d", unit, "disable"], quiet, f"{unit} would start at the next boot")


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A dpkg that has begun is not cut: it would leave half a package, and go on without our policy. Signals wait."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """One set-up at a time, by a lock on `directory` itself: nothing to leave behind."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def no_services() -> Iterator[None]:
    """Debian's way to keep packages from starting services: policy-rc.d says 101. An administrator's own comes back."""
    with alone(POLICY.parent):
        restore()  # what a kill -9 left behind
        if POLICY.exists() or POLICY.is_symlink():
            POLICY.rename(ASIDE)
        try:
            POLICY.write_text(OURS)
            POLICY.chmod(0o755)
            yield
        finally:
            restore()


def restore() -> None:
    if POLICY.exists() and POLICY.read_text(errors="replace") == OURS:
        POLICY.unlink()
    if ASIDE.exists() or ASIDE.is_symlink():
        ASIDE.rename(POLICY)


def stamp(lock: str) -> str:
    """What a finished set-up of `lock` depends on: the pins, the project, the place, the interpreter."""
    text = hashlib.sha256(str(ROOT).encode())
    for file in (ROOT / lock, ROOT / "pyproject.toml", VENV / "pyvenv.cfg"):
        text.update(file.read_bytes() if file.exists() else b"-")
    return text.hexdigest()


def ready(lock: str) -> bool:
    mark = VENV / f".{lock}.done"
    return os.access(VENV / "bin/python", os.X_OK) and mark.exists() and mark.read_text() == stamp(lock)


def python_packages(lock: str) -> None:
    """Makes .venv hold exactly pinned packages (by hash) and this tree, editable. Needs a package index once."""
    if ready(lock):
        return
    if not os.access(ROOT, os.W_OK):
        fail(f"cannot write {ROOT}; .venv belongs there")
    if VENV.is_symlink():  # emptying it would empty somebody else's
        fail(f"{VENV} is a link to {os.readlink(VENV)}, and a set-up belongs to one tree: rm {VENV}")
    with alone(ROOT):  # two makes at once: the second finds it done
        if ready(lock):
            return
        clean = {k: v for k, v in os.environ.items() if k not in LEAKS}
        if not healthy():
            print(f"hbtui set-up: .venv with Python {sys.version.split()[0]}", flush=True)
            step([sys.executable, "-m", "venv", "--clear", str(VENV)], clean, "no virtual environment can be made")
        print(f"hbtui set-up: packages of {lock} (once)", flush=True)
        pip = [str(VENV / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "-q"]
        step([*pip, "--require-hashes", "-r", str(ROOT / lock)], clean, "the first set-up needs a package index (PyPI)")
        step([*pip, "--no-build-isolation", "--no-deps", "-e", str(ROOT)], clean, "this tree itself does not install")
        for done in {lock, LOCKS["venv"]}:  # the development lock holds the other, version for version
            (VENV / f".{done}.done").write_text(stamp(done))


def healthy() -> bool:
    """Whether .venv's interpreter runs, is new enough and lives here (a moved tree keeps its old paths)."""
    code = "import pip, sys; print(sys.version_info >= (3, 11), sys.prefix)"
    try:
        done = subprocess.run([VENV / "bin/python", "-I", "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return False
    activate = VENV / "bin/activate"
    return done.stdout.strip() == f"True {VENV}" and activate.exists() and str(VENV) in activate.read_text()


def step(command: list[str], env: dict[str, str], meaning: str) -> None:
    """One step of a set-up; what it said is shown only where it failed, with what that means."""
    try:
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    except OSError as error:
        fail(f"{command[0]}: {error.strerror}; {meaning}")
    if done.returncode:
        print("\n".join(done.stdout.decode(errors="replace").splitlines()[-30:]), file=sys.stderr)
        fail(f"{' '.join(command[:6])} ... failed (see above); {meaning}")


def stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)  # so that no_services() puts things back


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in LEVELS:
        fail(f"usage: setup {'|'.join(LEVELS)}")
    for number in STOPS:
        signal.signal(number, stop)
    provide(arguments[0])
    python_packages(LOCKS[arguments[0]])


if __name__ == "__main__":
    main(sys.argv[1:])
