"""Scripts of a dead daemon are ended before anything is asked; services are not."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from hbcore.agents import orphans


def alive(pid: int) -> bool:
    return bool(orphans._born(pid))


@pytest.fixture
def script(tmp_path: Path) -> subprocess.Popen[bytes]:
    """A stop that takes its time, with a child of its own, and beside it a service that has its own session."""
    text = f"sleep 300 & setsid sh -c 'echo $$ >{tmp_path}/service; exec sleep 300' & sleep 300"
    process = subprocess.Popen(["/bin/sh", "-c", text], start_new_session=True)
    while not (tmp_path / "service").exists() or not (tmp_path / "service").read_text():
        time.sleep(0.01)
    return process


def test_what_a_dead_daemon_left_is_ended_and_its_service_goes_on(
    tmp_path: Path, script: subprocess.Popen[bytes]
) -> None:
    folder = tmp_path / "scripts"
    folder.mkdir()
    service = int((tmp_path / "service").read_text())
    try:
        orphans.note(folder, script.pid, ("stop", "Filesystem", "/dev/sdb1"))
        assert orphans.end(folder) == [orphans.Orphan(script.pid, ("stop", "Filesystem", "/dev/sdb1"))]
        script.wait(5)
        assert not [p for p in orphans.processes() if orphans._session(p) == script.pid]
        assert alive(service) and not list(folder.iterdir())
        assert orphans.end(folder) == []
    finally:
        os.kill(service, 9)


def test_a_script_that_ended_and_a_number_given_anew_are_left_alone(
    tmp_path: Path, script: subprocess.Popen[bytes]
) -> None:
    try:
        (tmp_path / "scripts").mkdir()
        (tmp_path / "scripts" / str(script.pid)).write_text("12345")  # another process had this number
        (tmp_path / "scripts" / "rubbish").write_text("x")
        assert orphans.end(tmp_path / "scripts") == [] and script.poll() is None
        orphans.note(tmp_path / "scripts", script.pid)
        orphans.forget(tmp_path / "scripts", script.pid)
        assert orphans.end(tmp_path / "scripts") == [] and script.poll() is None
    finally:
        os.kill(int((tmp_path / "service").read_text()), 9)
        os.killpg(script.pid, 9)
        script.wait(5)
