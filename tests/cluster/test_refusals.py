"""Every mistake of the table is refused by the real hbcored, which has opened no socket by then.

Each runs behind a wall (walled.py): the kernel kills it at its first socket. Invariant: that the wall stands is shown
by the base, which is right and therefore dies at it. Must not know how anything is read.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from hbcore.host import files, sole
from tests.cluster.stalls import ROOT
from tests.unit.mistakes import BASE, MISTAKES, Mistake, write

TOGETHER = 2
TUTORIAL = ROOT / "tests/data/tutorial"


@dataclass(frozen=True, slots=True)
class Refusal:
    code: int
    said: str
    left: list[str]  # in the state and runtime folders, beside the lock, which nobody holds any more


HERE = {name: text.replace("eth0", "lo") for name, text in BASE.items()}  # a device that every machine has


def hbcored(place: Path, config: Path) -> Refusal:
    """Starts it behind the wall on this configuration; what it said and left."""
    state, runtime = place / "state", place / "run"
    argv = ["-m", "tests.cluster.walled", "hbcore.cli.hbcored"]
    argv += ["--config", str(config), "--state", str(state), "--runtime", str(runtime), "--node", "node1"]
    done = subprocess.run(
        [sys.executable, *argv],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=30,
        check=False,
    )
    left = [path.name for folder in (state, runtime) if folder.exists() for path in folder.iterdir()]
    left = [name for name in left if name != sole.NAME]
    return Refusal(done.returncode, done.stdout, left)


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Refusal]:
    """All of them, two at a time."""
    place = tmp_path_factory.mktemp("refusals")

    def refused(number: int, mistake: Mistake) -> Refusal:
        folder = place / str(number)
        return hbcored(folder, write(folder / "ha.d", mistake.files))

    with ThreadPoolExecutor(TOGETHER) as pool:
        return dict(zip((m.name for m in MISTAKES), pool.map(refused, range(len(MISTAKES)), MISTAKES), strict=True))


def test_what_is_right_comes_to_its_sockets_and_the_wall_is_there(tmp_path: Path) -> None:
    done = hbcored(tmp_path, write(tmp_path / "ha.d", HERE))
    assert done.code == -signal.SIGSYS, done
    assert "incarnation.json" in done.left


@pytest.mark.timeout(300)  # the first waits for all
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_mistake(refusals: Mapping[str, Refusal], mistake: Mistake) -> None:
    done = refusals[mistake.name]
    assert done.code == 1, done
    place = f"/ha.d/{mistake.file}" + (f":{mistake.line}: " if mistake.line else ": ")
    told = [line.partition(place)[2] for line in done.said.splitlines() if place in line]
    assert any(mistake.word in line for line in told), done.said
    assert "nothing was opened" in done.said and "Traceback" not in done.said
    assert done.left == []


def test_the_annotated_ha_cf_of_the_tutorial_is_refused(tmp_path: Path) -> None:
    pasted = next(TUTORIAL.glob("0-annotated/**/ha.cf"), None)
    assert pasted is not None, "the pasted text is one of the tutorial's files"
    config = write(tmp_path / "ha.d", BASE)
    (config / "ha.cf").write_bytes(pasted.read_bytes())
    done = hbcored(tmp_path, config)
    assert done.code == 1 and done.left == []
    assert "/ha.d/ha.cf:" in done.said


def test_a_node_that_the_files_do_not_name(tmp_path: Path) -> None:
    config = write(
        tmp_path / "ha.d", {**BASE, "ha.cf": BASE["ha.cf"].replace("node1", "alpha").replace("node2", "beta")}
    )
    done = hbcored(tmp_path, config)
    assert done.code == 1 and done.left == [] and "node1" in done.said


def test_keys_that_others_may_read(tmp_path: Path) -> None:
    config = write(tmp_path / "ha.d", BASE)
    (config / "authkeys").chmod(0o644)
    done = hbcored(tmp_path, config)
    assert done.code == 1 and done.left == [] and "600" in done.said


def test_no_files_at_all(tmp_path: Path) -> None:
    done = hbcored(tmp_path, tmp_path / "nothing")
    assert done.code == 1 and done.left == [] and "ha.cf" in done.said


@pytest.mark.parametrize("name", ["state.json", "incarnation.json"])
def test_damaged_state_is_kept_aside_and_said_before_anything_is_opened(tmp_path: Path, name: str) -> None:
    config = write(tmp_path / "ha.d", HERE)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / name).write_text("{")
    done = hbcored(tmp_path, config)
    assert done.code == -signal.SIGSYS, done
    (line,) = [line for line in done.said.splitlines() if " is damaged (" in line]
    (kept,) = (tmp_path / "state").glob(f"{name}.damaged-*")
    assert str(kept) in line and kept.read_text() == "{"
    assert "incarnation.json" in done.left


@pytest.mark.parametrize("name", ["state.json", "incarnation.json"])
def test_state_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    config = write(tmp_path / "ha.d", HERE)
    path = tmp_path / "state" / name
    path.parent.mkdir()
    files.write(path, 99, {"from": "the future"})
    before = path.read_bytes()
    done = hbcored(tmp_path, config)
    assert done.code == 1 and done.left == [name], done
    assert f"{path} was written by a newer version (format 99" in done.said and "Traceback" not in done.said
    assert path.read_bytes() == before


def test_state_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    config = write(tmp_path / "ha.d", HERE)
    (tmp_path / "state" / "state.json").mkdir(parents=True)
    done = hbcored(tmp_path, config)
    assert done.code == 1 and done.left == ["state.json"], done
    assert "state.json cannot be read: Is a directory" in done.said and "Traceback" not in done.said
