"""The door: directories in every state, authkeys' rights, bounds; and authkeys itself, whose keys never show."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hbcore.cli.preflight import render
from hbcore.engine.config import Severity
from hbcore.engine.keys import Key, Keyring, Method
from hbcore.formats import authkeys
from hbcore.formats.load import MAX_FILE, Loaded, load
from hbcore.formats.text import MAX_PROBLEMS
from tests.unit.mistakes import BASE, write

HEX = "0576e27920f46d92"


def errors(loaded: Loaded) -> list[tuple[str, int, str]]:
    return [(p.where.file, p.where.line, p.code) for p in loaded.problems if p.severity is Severity.ERROR]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write(tmp_path / "ha.d", BASE)


def test_a_good_directory_loads(directory: Path) -> None:
    loaded = load(directory, "NODE2")
    assert loaded.config is not None
    assert loaded.keys is not None
    assert errors(loaded) == []


def test_my_own_name_must_be_there(directory: Path) -> None:
    loaded = load(directory, "node2.example.com")
    assert errors(loaded) == [("ha.cf", 7, "node-not-here")]
    assert dict(loaded.problems[0].args)["near"] == "node2"
    assert loaded.config is None
    assert loaded.keys is not None


def test_no_directory(tmp_path: Path) -> None:
    assert errors(load(tmp_path / "nowhere")) == [(str(tmp_path / "nowhere"), 0, "directory-missing")]


def test_an_empty_directory_lacks_three_files(tmp_path: Path) -> None:
    assert errors(load(tmp_path)) == [(name, 0, "file-missing") for name in ("authkeys", "ha.cf", "haresources")]


def test_a_file_under_a_near_name_is_named(directory: Path) -> None:
    (directory / "haresources").rename(directory / "haresource")
    loaded = load(directory)
    assert errors(loaded) == [("haresources", 0, "file-missing-near")]
    assert dict(loaded.problems[0].args)["near"] == "haresource"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666, 0o601])
def test_keys_that_others_may_touch_are_refused(directory: Path, mode: int) -> None:
    (directory / "authkeys").chmod(mode)
    loaded = load(directory)
    assert errors(loaded) == [("authkeys", 0, "authkeys-mode")]
    assert f"{mode:04o}" in render(loaded.problems)[0]
    assert "chmod 600" in render(loaded.problems)[0]
    assert (loaded.keys, loaded.config) == (None, None)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_keys_of_one_user_are_taken(directory: Path, mode: int) -> None:
    (directory / "authkeys").chmod(mode)
    assert load(directory).keys is not None


def test_keys_of_another_user_are_refused(directory: Path) -> None:
    """As root another user's file is made; an ordinary user has root's files to look at, which are taken."""
    if os.geteuid() != 0:
        assert load(directory).keys is not None
        return
    os.chown(directory / "authkeys", 12345, -1)
    assert errors(load(directory)) == [("authkeys", 0, "authkeys-owner")]


def test_a_file_that_all_may_write_is_warned_of(directory: Path) -> None:
    (directory / "haresources").chmod(0o666)
    assert [(p.where.file, p.code) for p in load(directory).problems] == [("haresources", "file-writable")]


def test_what_is_no_file_is_refused_without_waiting(directory: Path) -> None:
    (directory / "ha.cf").unlink()
    os.mkfifo(directory / "ha.cf")
    assert errors(load(directory)) == [("ha.cf", 0, "file-not-regular")]
    (directory / "ha.cf").unlink()
    (directory / "ha.cf").mkdir()
    assert errors(load(directory)) == [("ha.cf", 0, "file-not-regular")]
    (directory / "ha.cf").rmdir()
    (directory / "ha.cf").symlink_to("gone")
    assert errors(load(directory)) == [("ha.cf", 0, "file-broken-link")]
    (directory / "ha.cf").unlink()
    (directory / "ha.cf").symlink_to("ha.cf")
    assert errors(load(directory)) == [("ha.cf", 0, "file-unreadable")]


def test_the_size_of_a_file_is_bounded(directory: Path) -> None:
    text = BASE["ha.cf"] + "#" * (MAX_FILE - len(BASE["ha.cf"])) + "\n"
    (directory / "ha.cf").write_text(text)
    assert errors(load(directory)) == [("ha.cf", 0, "file-too-large")]


def test_the_number_of_problems_is_bounded(directory: Path) -> None:
    (directory / "ha.cf").write_text("x\n" * (MAX_FILE // 2))
    problems = [p for p in load(directory).problems if p.where.file == "ha.cf"]
    assert len(problems) == MAX_PROBLEMS + 1
    (more,) = [p for p in problems if p.code == "more-problems"]
    assert dict(more.args)["count"] == str(MAX_FILE // 2 - MAX_PROBLEMS)


def test_encodings(directory: Path) -> None:
    (directory / "ha.cf").write_bytes(BASE["ha.cf"].encode("utf-16"))
    assert errors(load(directory)) == [("ha.cf", 1, "utf16")]
    gbk = BASE["ha.cf"] + "# 心跳\n"
    (directory / "ha.cf").write_bytes(gbk.encode("gbk"))
    loaded = load(directory)
    assert [(p.where.line, p.code) for p in loaded.problems] == [(10, "not-utf8-comment")]
    assert loaded.config is not None
    (directory / "ha.cf").write_bytes(BASE["ha.cf"].replace("\n", "\r\n").encode())
    assert load(directory).config == loaded.config


def test_cluster_yaml_is_not_read_yet(directory: Path, tmp_path: Path) -> None:
    (directory / "cluster.yaml").write_text("schema: 1\n")
    assert errors(load(directory)) == [("cluster.yaml", 0, "cluster-yaml-both")]
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "cluster.yaml").write_text("schema: 1\n")
    assert ("cluster.yaml", 0, "cluster-yaml-later") in errors(load(alone))


def test_hbcore_yaml_is_read_beside_them(directory: Path) -> None:
    (directory / "hbcore.yaml").write_text("schema: 1\ngroups:\n  192.168.100.101: {weight: heavy}\n")
    config = load(directory).config
    assert config is not None
    assert [g.weight for g in config.groups] == ["light", "heavy"]


def test_problems_are_sorted_by_file_and_line(directory: Path) -> None:
    (directory / "ha.cf").write_text("x\n" + BASE["ha.cf"] + "y\n")
    (directory / "haresources").write_text("node9 httpd\n")
    (directory / "authkeys").write_text("auth 1\n1 md6 x\n")
    places = [(p.where.file, p.where.line) for p in load(directory).problems]
    assert places == [("authkeys", 2), ("ha.cf", 1), ("ha.cf", 11), ("haresources", 1)]


# -- authkeys ------------------------------------------------------------------------------------------------------


def test_every_listed_key_verifies_and_one_signs() -> None:
    text = f"# keys\n\n auth  3\r\n1 crc\n  2 md5 a#b # behind it\n3\tsha256\t{HEX}{HEX}\n0 sha1 {HEX}\n"
    keys, _ = authkeys.parse(text)
    assert keys == Keyring(
        3,
        (
            Key(0, Method.SHA1, HEX.encode()),
            Key(1, Method.CRC),
            Key(2, Method.MD5, b"a#b"),
            Key(3, Method.SHA256, (HEX + HEX).encode()),
        ),
    )


@pytest.mark.parametrize("text", [f"'{HEX}", f"{HEX}'", f'"{HEX}', f"`{HEX}`"])
def test_a_key_with_a_quote_at_either_end_is_refused(text: str) -> None:
    assert [p.code for p in authkeys.parse(f"auth 1\n1 sha1 {text}\n")[1]] == ["key-quotes"]


@pytest.mark.parametrize("number, taken", [(0, True), (15, True), (16, False)])
def test_the_numbers_of_keys(number: int, taken: bool) -> None:
    assert (authkeys.parse(f"auth {number}\n{number} sha1 {HEX}\n")[0] is not None) is taken


def test_the_length_of_a_key_is_bounded() -> None:
    assert authkeys.parse("auth 1\n1 sha1 " + "x" * 256 + "\n")[0] is not None
    keys, problems = authkeys.parse("auth 1\n1 sha1 " + "x" * 257 + "\n")
    assert keys is None
    assert [(p.where.line, p.code) for p in problems] == [(2, "key-long")]


def test_weak_keys_are_warned_of_in_their_lines() -> None:
    text = f"auth 1\n1 crc\n2 sha1 {HEX}\n3 sha1 {HEX}{HEX}\n4 sha1 {'x' * 22}\n5 md5 {'x' * 21}\n"
    _, problems = authkeys.parse(text)
    assert [(p.where.line, p.code, dict(p.args).get("bits")) for p in problems] == [
        (2, "key-crc", None),
        (3, "key-weak", "64"),
        (6, "key-weak", "126"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "{key}", "1 {key}", "1 sha1 {key} {key}", "1 sha1 '{key}'", "1 sha1 #{key}", "1 crc {key}", "sha1 {key}",
        "key {key}", "auth 1 sha1 {key}", "auth {key}", "1 sha9 {key}", "1 {key} sha1", "99 sha1 {key}",
        "1 sha1 {key}\u201d", "1 sha1 \u00a0{key}", "{key} {key}", "\\#1 sha1 {key}", "//1 sha1 {key}",
        "1 sha1 {key}\x00", "auth={key}", "1={key}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", [HEX, "correct-horse", "sha1secret", "s3cr3t", "shadow1", "crcodile"])
def test_keys_never_show(line: str, key: str, directory: Path) -> None:
    (directory / "authkeys").write_text("auth 1\n" + line.format(key=key) + "\n")
    loaded = load(directory)
    told = " ".join(render(loaded.problems)) + repr(loaded)
    assert errors(loaded) != []
    assert key not in told
    assert key[2:] not in told
