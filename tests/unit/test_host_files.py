"""Durable files on a real disk: whole or not at all, refused where they cannot be trusted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from hbcore.host import files


class State(msgspec.Struct, frozen=True):
    epoch: int
    names: list[str] = []


def test_round_trip_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    assert files.read(path, 1, State) is None
    files.write(path, 1, State(7, ["web"]))
    assert files.read(path, 1, State) == State(7, ["web"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["engine.json"]


def test_a_crash_between_leaves_the_old_content(tmp_path: Path) -> None:
    """What an unfinished write leaves behind neither is read nor stands in the way."""
    path = tmp_path / "engine.json"
    files.write(path, 1, State(1))
    (tmp_path / ".engine.json.new").write_bytes(b'{"format": 1, "chec')
    assert files.read(path, 1, State) == State(1)
    files.write(path, 1, State(2))
    assert files.read(path, 1, State) == State(2)


def test_a_newer_format_is_refused_by_name_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    files.write(path, 3, {"from": "the future"})
    before = path.read_bytes()
    with pytest.raises(files.NewerFormat) as caught:
        files.read(path, 2, State)
    assert caught.value.code == "state-newer-format"
    assert caught.value.args_ == {"path": str(path), "found": "3", "known": "2"}
    assert path.read_bytes() == before


@pytest.mark.parametrize("where", range(8))
def test_any_flipped_bit_of_the_payload_is_noticed(tmp_path: Path, where: int) -> None:
    path = tmp_path / "engine.json"
    files.write(path, 1, State(7, ["web", "db"]))
    data = bytearray(path.read_bytes())
    start = data.index(b"payload") + 10
    data[start + where * (len(data) - start - 2) // 8] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(files.Damaged):
        files.read(path, 1, State)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 1}', '{"format": "1", "checksum": "", "payload": {}}', "\x00" * 50]
)
def test_what_is_no_envelope_is_damaged_not_absent(tmp_path: Path, text: str) -> None:
    path = tmp_path / "engine.json"
    path.write_text(text)
    with pytest.raises(files.Damaged):
        files.read(path, 1, State)


def test_a_payload_of_another_shape_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    files.write(path, 1, {"epoch": "seven"})
    with pytest.raises(files.Damaged):
        files.read(path, 1, State)


def test_too_large_is_refused_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    with pytest.raises(ValueError, match="bytes"):
        files.write(path, 1, "x" * files.MAX_BYTES)
    path.write_bytes(b" " * (files.MAX_BYTES + 1))
    with pytest.raises(files.Damaged):
        files.read(path, 1, State)


def test_a_folder_in_its_place_is_unreadable_not_absent(tmp_path: Path) -> None:
    with pytest.raises(files.Unreadable) as caught:
        files.read(tmp_path, 1, State)
    assert caught.value.code == "state-unreadable"


def test_migration_keeps_a_copy_and_rewrites(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    files.write(path, 1, {"epoch": 7})
    old = path.read_bytes()

    def two(raw: bytes) -> bytes:
        return json.dumps({**json.loads(raw), "names": ["two"]}).encode()

    def three(raw: bytes) -> bytes:
        return json.dumps({**json.loads(raw), "names": [*json.loads(raw)["names"], "three"]}).encode()

    assert files.read(path, 3, State, {1: two, 2: three}) == State(7, ["two", "three"])
    assert (tmp_path / "engine.json.format1").read_bytes() == old
    assert files.read(path, 3, State) == State(7, ["two", "three"])  # without migrations: it was rewritten
    with pytest.raises(files.Damaged):
        files.read(path, 5, State, {3: two})


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    files.write(path, 1, State(1))
    body = (
        "import resource, signal, sys; from pathlib import Path; from hbcore.host import files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "try: files.write(Path(sys.argv[1]), 1, {'epoch': 2, 'names': ['x' * 1000]})\n"
        "except OSError as error: print(error.errno)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", body, str(path)], capture_output=True, text=True, check=True, timeout=30
    )
    assert run.stdout == "27\n"  # EFBIG, as ENOSPC would come
    assert files.read(path, 1, State) == State(1)


def test_kill_minus_nine_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    body = (
        "import sys; from pathlib import Path; from hbcore.host import files\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1; files.write(Path(sys.argv[1]), 1, {'epoch': n, 'names': ['x' * 5000]}); print(n, flush=True)\n"
    )
    for pause in (0.05, 0.1, 0.13, 0.17, 0.2):
        writer = subprocess.Popen([sys.executable, "-c", body, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        threading.Event().wait(pause)
        os.kill(writer.pid, signal.SIGKILL)
        confirmed = [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        writer.stdout.close()
        state = files.read(path, 1, State)
        assert state is not None
        assert state.epoch >= max(confirmed, default=1)  # what was confirmed is there


def test_writers_in_threads_do_not_tear_each_other(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    threads = [threading.Thread(target=files.write, args=(path, 1, State(n, ["y" * n * 100]))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = files.read(path, 1, State)
    assert state is not None
    assert state.names == ["y" * state.epoch * 100]
