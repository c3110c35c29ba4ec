"""The walls of the house at run time: what importing a part really loads, in an interpreter of its own.

Owns the proof beside import-linter's graph, which sees no import by string and no import a library does for us.
Invariant: each wall is also shown to stop something (the last tests). Must not import the house itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WINDOW_MAY_KNOW = ("hbcore", "hbcore.control", "hbcore.control.schema", "hbcore.control.client", "hbcore.words")

IMPURE = {"asyncio", "concurrent", "ctypes", "datetime", "fcntl", "logging", "mmap", "multiprocessing", "os", "pathlib"}
IMPURE |= {
    "queue",
    "random",
    "secrets",
    "select",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "sys",
}
IMPURE |= {"tempfile", "threading", "time", "uuid"}

# The only module that may load paramiko, imported when it is used.
SSH = "hbcore.control.ssh_paramiko"

# Imports every module of a package but its __main__ (which would run) and those named after it. Says what was loaded
# since the start, and which module of the package asked for what. Libraries that the interpreter's own start-up loads
# count as asked only.
PROBE = """
import builtins, importlib, json, pkgutil, sys
package, stem = sys.argv[1], sys.argv[1] + "."
before, asked, real = set(sys.modules), set(), builtins.__import__

def watch(name, globals=None, locals=None, fromlist=(), level=0):
    who = (globals or sys._getframe(1).f_globals).get("__name__", "")
    if level == 0 and (who == package or who.startswith(stem)):
        asked.add((who, name))
        asked.update((who, f"{name}.{part}") for part in fromlist or () if f"{name}.{part}" in sys.modules)
    return real(name, globals, locals, fromlist, level)

builtins.__import__ = watch
root = importlib.import_module(package)
done = [package]
for found in pkgutil.walk_packages(getattr(root, "__path__", []), stem):
    if not found.name.endswith("__main__") and found.name not in sys.argv[2:]:
        importlib.import_module(found.name)
        done.append(found.name)
print(json.dumps({"imported": done, "loaded": sorted(set(sys.modules) - before), "asked": sorted(asked)}))
"""


@dataclass(frozen=True)
class Seen:
    imported: list[str]
    loaded: set[str]
    asked: set[tuple[str, str]]

    def roots(self) -> set[str]:
        return {name.partition(".")[0] for name in self.loaded}


def probe(package: str, *without: str, root: Path = ROOT) -> Seen:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, package, *without],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return Seen(found["imported"], set(found["loaded"]), {(who, what) for who, what in found["asked"]})


def impure(seen: Seen) -> set[tuple[str, str]]:
    return {(who, what) for who, what in seen.asked if what.partition(".")[0] in IMPURE}


def strangers(seen: Seen) -> set[str]:
    """Loaded top-level modules that are neither the house nor the standard library."""
    return {name for name in seen.roots() if name not in sys.stdlib_module_names and name != "hbcore"}


def test_the_engine_asks_for_nothing_but_pure_standard_library() -> None:
    seen = probe("hbcore.engine")
    assert len(seen.imported) > 4
    assert impure(seen) == set()
    assert strangers(seen) == set()
    assert {name for name in seen.loaded if name.startswith("hbcore.")} == set(seen.imported)
    # Not even by way of a library that would do it for us:
    assert (
        seen.roots() & {"asyncio", "logging", "multiprocessing", "random", "select", "socket", "ssl", "subprocess"}
        == set()
    )


def test_the_words_know_nothing() -> None:
    seen = probe("hbcore.words")
    assert {name for name in seen.loaded if name.startswith("hbcore.")} == set(seen.imported)
    assert strangers(seen) == set()


@pytest.mark.parametrize("room", ["agents", "formats", "host", "links"])
def test_rooms_load_the_engine_and_themselves_only(room: str) -> None:
    seen = probe(f"hbcore.{room}")
    rooms = {name.split(".")[1] for name in seen.loaded if name.startswith("hbcore.")}
    assert rooms <= {room, "engine"}


def test_no_window_and_no_ssh_library_in_hbcore() -> None:
    seen = probe("hbcore", SSH)
    assert {name.split(".")[1] for name in seen.imported if "." in name} >= {"control", "engine", "formats", "words"}
    assert seen.roots() & {"textual", "rich", "hbtui", "screens", "paramiko", "cryptography"} == set()


def test_the_ssh_library_has_one_door() -> None:
    seen = probe("hbcore")
    doors = {who for who, what in seen.asked if what.partition(".")[0] == "paramiko"}
    assert doors == {SSH}


@pytest.mark.parametrize("package", ["hbtui", "screens"])
def test_the_window_loads_no_engine_and_no_ssh_library(package: str) -> None:
    seen = probe(package)
    house = {name for name in seen.loaded if name.startswith("hbcore.")}
    assert {name.split(".")[1] for name in house} <= {"control", "words"}
    assert "hbcore.control.server" not in house
    assert seen.roots() & {"paramiko", "pyroute2", "cryptography"} == set()
    asked = {what for _, what in seen.asked if what.partition(".")[0] == "hbcore"}
    strange = {name for name in asked if name not in WINDOW_MAY_KNOW and name in seen.loaded}
    assert {name for name in strange if not name.startswith("hbcore.words.")} == set()


def test_only_the_app_asks_for_screens() -> None:
    asking = {who for who, what in probe("hbtui").asked if what.partition(".")[0] == "screens"}
    assert asking <= {"hbtui.app"}


@pytest.mark.parametrize(
    "line",
    ["import time", "from os import path", "def later() -> None: ...\nimport random as chance", "__import__('socket')"],
)
def test_an_impure_engine_would_be_seen(line: str, tmp_path: Path) -> None:
    room = tmp_path / "pretend"
    room.mkdir()
    (room / "__init__.py").write_text("")
    (room / "core.py").write_text(textwrap.dedent(line) + "\n")
    seen = probe("pretend", root=tmp_path)
    assert {who for who, _ in impure(seen)} == {"pretend.core"}


def test_a_stranger_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "pretend.py").write_text("import importlib\nimportlib.import_module('yaml')\n")
    assert "yaml" in strangers(probe("pretend", root=tmp_path))
