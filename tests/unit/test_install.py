"""What hbctl installs outside of its own tree: real files below a directory of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_hbctl import NODE2, Served

OLD = {
    "usr/share/heartbeat/hb_standby",
    "usr/share/heartbeat/hb_takeover",
    "usr/share/heartbeat/ha_propagate",
    "usr/bin/cl_status",
    "usr/lib/heartbeat/send_arp",
}
ENTRY = "usr/local/lib/hbtui/compat"


@pytest.fixture
def served() -> Iterator[Served]:
    directory = Path(tempfile.mkdtemp(prefix="inst-"))
    made = Served(directory)
    yield made
    made.close()
    shutil.rmtree(directory)


def tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or not path.is_dir()}


def test_the_old_names_do_their_work_where_heartbeat_had_them(served: Served, tmp_path: Path) -> None:
    done = served.hbctl("install-compat", "--prefix", str(tmp_path), "--json")
    assert done.returncode == 0 and {*json.loads(done.stdout)["installed"]} == {
        str(tmp_path / p) for p in OLD | {ENTRY}
    }
    assert tree(tmp_path) == OLD | {ENTRY}
    moved = tmp_path.with_name("moved")  # a package is built in one place and unpacked in another
    tmp_path.rename(moved)

    def run(name: str, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [str(next(moved / path for path in OLD if path.endswith(name))), *words]
        return subprocess.run(argv, env=served.env, capture_output=True, text=True, timeout=20, check=False)

    assert run("cl_status", "nodestatus", NODE2).stdout == "active\n"
    assert run("hb_standby", "local").returncode == 0 and served.cluster.acted[-1].scope == "local"
    assert run("hb_takeover", "nonsense").stderr.startswith("hb_takeover: nonsense is none of")
    assert "usage: ha_propagate" in run("ha_propagate", "--help").stdout
    assert "usage: send_arp" in run("send_arp", "--help").stdout
    moved.rename(tmp_path)


def test_again_and_away(served: Served, tmp_path: Path) -> None:
    for _ in range(2):
        assert served.hbctl("install-compat", "--prefix", str(tmp_path)).returncode == 0
    mine = tmp_path / "usr/share/heartbeat/my-own"
    mine.write_text("x")
    assert served.hbctl("install-compat", "--prefix", str(tmp_path), "--remove").returncode == 0
    assert tree(tmp_path) == {"usr/share/heartbeat/my-own"}
    assert not (tmp_path / "usr/local/lib/hbtui").exists()
    done = served.hbctl("install-compat", "--prefix", str(tmp_path), "--remove")
    assert done.returncode == 0 and "nothing of ours" in done.stdout


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_is_heartbeats_own_stays(served: Served, tmp_path: Path, kind: str) -> None:
    theirs = tmp_path / "usr/bin/cl_status"
    theirs.parent.mkdir(parents=True)
    if kind == "file":
        theirs.write_text("#!/bin/sh\n# Debian's\n")
    elif kind == "link":
        theirs.symlink_to("/usr/libexec/heartbeat/cl_status")
    else:
        theirs.mkdir()
    done = served.hbctl("install-compat", "--prefix", str(tmp_path))
    assert done.returncode == 1 and str(theirs) in done.stderr
    assert not (tmp_path / "usr/share").exists() and not (tmp_path / ENTRY).exists()
    served.hbctl("install-compat", "--prefix", str(tmp_path), "--remove")
    assert os.path.lexists(theirs)


def test_where_nothing_may_be_written(served: Served, tmp_path: Path) -> None:
    (tmp_path / "usr").write_text("a file")
    done = served.hbctl("install-compat", "--prefix", str(tmp_path))
    assert done.returncode == 1 and "cannot be written" in done.stderr and "Traceback" not in done.stderr
