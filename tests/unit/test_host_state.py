"""What a node remembers, damaged in every way: kept aside and told, never a crash, never read as something else.

Real files on a real disk.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hbcore.engine.beat import Rule
from hbcore.engine.config import Address, GroupDef, Guard, Resource, Where
from hbcore.engine.effects import Stored, StoredGroup
from hbcore.host import files, state
from hbcore.words import CATALOGUE, say

NOW = 1_795_698_855  # 2026-11-26T13:14:15Z
WEB = GroupDef(
    "192.168.100.100", ("node1", "node2"),
    (Resource("192.168.100.100", "address", "IPaddr", address=Address("192.168.100.100", 24, "eth0")),
     Resource("httpd", "script", "httpd", ("x",))),
    where=Where("haresources", 1), guard=Guard.REQUIRED,
)  # fmt: skip
STORED = Stored(
    (StoredGroup("192.168.100.100", 7, True, False, (1, 2), True, WEB), StoredGroup("named", 3)),
    (Rule("mode", "node2", "standby", 9, 1_795_000_000, 0, "root", "a reason"),),
    (b"\x02hb\x00\x00\x02",), ("192.168.100.2",),
)  # fmt: skip


def whole() -> bytes:
    """The bytes of a valid state file."""
    with TemporaryDirectory() as folder:
        state.save(Path(folder), STORED)
        return (Path(folder) / state.STATE).read_bytes()


VALID = whole()
UTC = "20261126T131415Z"


def test_what_was_saved_is_loaded_and_nothing_else_is_there(tmp_path: Path) -> None:
    assert state.load(tmp_path, NOW) == (Stored(), None)
    state.save(tmp_path, STORED)
    assert state.load(tmp_path, NOW) == (STORED, None)
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


DEEP = b"[" * 100_000
DAMAGED = {
    "empty": b"",
    "half": VALID[: len(VALID) // 2],
    "no JSON": b"state\n",
    "zeros": bytes(len(VALID)),
    "another shape": b'{"groups": []}',
    "a list": b"[]",
    "a flipped bit": VALID.replace(b'"epoch":7', b'"epoch":5'),
    "twice": VALID + VALID,
    "not UTF-8": VALID.replace(b'"checksum":"', b'"checksum":"\xff'),
    "brackets without end": b'{"format":1,"checksum":"","payload":' + DEEP,
    "too large": VALID + b" " * files.MAX_BYTES,
    "a format that never was": VALID.replace(b'"format":1', b'"format":0'),
    "a negative format": VALID.replace(b'"format":1', b'"format":-9999999999999999'),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_kept_aside_and_the_node_knows_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "state.json").write_bytes(DAMAGED[name])
    stored, kept = state.load(tmp_path, NOW)
    assert stored == Stored()
    assert kept is not None and kept.code == "state-damaged" and kept.trouble.isprintable()
    assert (kept.path, kept.kept) == (str(tmp_path / "state.json"), f"{tmp_path}/state.json.damaged-{UTC}")
    assert Path(kept.kept).read_bytes() == DAMAGED[name]
    assert [path.name for path in tmp_path.iterdir()] == [f"state.json.damaged-{UTC}"]
    sentence = say(kept.code, **dict(kept.args))
    assert kept.path in sentence and kept.kept in sentence and "{" not in sentence.replace(kept.trouble, "")
    for lost in ("rights", "definitions last agreed", "failbacks"):
        assert lost in sentence
    assert state.load(tmp_path, NOW) == (Stored(), None)  # it goes on as one that never had any


@pytest.mark.parametrize("payload", [b"7}", b'{"groups":' + DEEP + b"]" * len(DEEP) + b"}}", b'"\xff"}'])
def test_a_payload_whose_checksum_fits_is_looked_at_too(tmp_path: Path, payload: bytes) -> None:
    raw = payload[:-1]
    head = b'{"format":1,"checksum":"' + files._checksum(raw).encode() + b'","payload":'
    (tmp_path / "state.json").write_bytes(head + payload)
    assert state.load(tmp_path, NOW)[1] is not None


def test_the_kept_ones_are_never_overwritten_and_five_stay(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / "state.json").write_text(str(number))
        _, kept = state.load(tmp_path, NOW + number // 2)  # two in a second
        assert kept is not None and Path(kept.kept).read_text() == str(number)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [(tmp_path / name).read_text() for name in names] == ["3", "4", "5", "6", "7"]
    (tmp_path / "state.json").write_text("8")  # the clock was reset meanwhile: what is newest is kept all the same
    _, kept = state.load(tmp_path, 0)
    assert kept is not None and kept.kept.endswith("state.json.damaged-19700101T000000Z")
    assert Path(kept.kept).read_text() == "8" and len(list(tmp_path.iterdir())) == 5
    (tmp_path / "incarnation.json").write_text("")
    state.next_incarnation(tmp_path, NOW)
    assert len([path for path in tmp_path.iterdir() if path.name.startswith("state.json")]) == 5


def test_a_newer_format_and_what_cannot_be_read_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    newer = VALID.replace(b'"format":1', b'"format":2')
    (tmp_path / "state.json").write_bytes(newer)
    with pytest.raises(files.NewerFormat):
        state.load(tmp_path, NOW)
    assert (tmp_path / "state.json").read_bytes() == newer
    (tmp_path / "state.json").unlink()
    (tmp_path / "state.json").mkdir()
    with pytest.raises(files.Unreadable):
        state.load(tmp_path, NOW)
    (tmp_path / "incarnation.json").symlink_to("incarnation.json")
    with pytest.raises(files.Unreadable):
        state.next_incarnation(tmp_path, NOW)
    assert sorted(os.listdir(tmp_path)) == ["incarnation.json", "state.json"]


def test_where_it_cannot_be_kept_aside_nothing_is_lost_in_silence(tmp_path: Path) -> None:
    """A name too long for the file system with the time behind it stands for a disk that refuses the renaming."""
    path = tmp_path / ("x" * 245)
    path.write_bytes(b"damaged")
    with pytest.raises(OSError, match="too long"):
        files.recover(path, 1, Stored, NOW)
    assert path.read_bytes() == b"damaged"


def test_the_incarnation_counts_up_and_from_the_clock_where_it_is_lost(tmp_path: Path) -> None:
    assert state.next_incarnation(tmp_path, NOW) == (NOW, None)
    assert state.next_incarnation(tmp_path, NOW) == (NOW + 1, None)
    assert state.next_incarnation(tmp_path, NOW - 1000) == (NOW + 2, None)  # the clock was set back
    (tmp_path / "incarnation.json").write_bytes(b"\x00" * 90)
    again, kept = state.next_incarnation(tmp_path, NOW + 60)
    assert again == NOW + 60
    assert kept is not None and kept.code == "incarnation-damaged" and kept.code in CATALOGUE
    assert kept.kept == f"{tmp_path}/incarnation.json.damaged-20261126T131515Z"
    assert state.next_incarnation(tmp_path, NOW + 60) == (NOW + 61, None)


def test_what_was_lost_is_told_through_the_environment() -> None:
    environment: dict[str, str] = {}
    assert state.told(environment) == []
    lost = [files.Kept("/a/state.json", "/a/state.json.damaged-x", "checksum"), files.Kept("/b c", '"', "\n")]
    state.tell(lost, environment)
    assert state.told(environment) == lost
    state.tell([], environment)
    assert state.told(environment) == []


# -- any damage -----------------------------------------------------------------------------------------------------


def damaged(seed: int) -> bytes:
    """A valid file that met with one to three accidents."""
    dice = random.Random(seed)
    data = bytearray(VALID)
    for _ in range(dice.randint(1, 3)):
        at, end = sorted(dice.randrange(len(data) + 1) for _ in range(2))
        match dice.randrange(7):
            case 0:  # bits flip, also near the beginning, where the format stands
                for _ in range(dice.choice((1, 1, 2, 8))):
                    if data:
                        data[dice.randrange(dice.choice((min(16, len(data)), len(data))))] ^= 1 << dice.randrange(8)
            case 1:  # cut off
                del data[at:]
            case 2:  # a hole
                del data[at:end]
            case 3:  # zeros, as after a power loss on some file systems
                data[at:end] = bytes(end - at)
            case 4:  # a part twice
                data[at:at] = data[at:end]
            case 5:  # foreign bytes
                data[at:end] = dice.randbytes(end - at)
            case 6:  # characters that mean something to JSON
                data[at:at] = dice.choice([b"{", b"}", b'"', b"[", b",", b":", b"-", b"1", b"null", b"\\u0000"])
    return bytes(data)


@settings(max_examples=1000)
@example(0)
@given(st.integers(0, 2**32))
def test_no_damage_crashes_it_or_is_read_as_something_else(seed: int) -> None:
    data = damaged(seed)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "state.json").write_bytes(data)
        try:
            stored, kept = state.load(folder, NOW)
        except files.NewerFormat:  # the number of the format was hit
            assert (folder / "state.json").read_bytes() == data
            assert msgspec.json.decode(data, type=files.Envelope).format > state.STATE_FORMAT
            return
        if kept is None:
            assert stored == STORED  # nothing that counts was hit, such as a blank or a repeated key
        else:
            assert stored == Stored()
            assert Path(kept.kept).read_bytes() == data


def test_the_corpus_holds_every_outcome() -> None:
    """Else the test above would not say much."""
    folder = Path(TemporaryDirectory().name)
    seen = set()
    for seed in range(3000):
        folder.mkdir()
        (folder / "state.json").write_bytes(damaged(seed))
        try:
            seen.add("damaged" if state.load(folder, NOW)[1] else "harmless")
        except files.NewerFormat:
            seen.add("newer")
        shutil.rmtree(folder)
    assert seen == {"damaged", "newer", "harmless"}
