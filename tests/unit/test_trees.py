"""Posted configurations: what is found in each is what a person would say; and no word of a damaged one goes unseen.

200 seeded damages: nothing crashes, every problem has its file and line, and each word is consumed by a directive, is a
comment, or is told. The oracle reads the files with its own few lines, and only asks what became of each word.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from hbcore.cli.preflight import as_json, examine, render
from hbcore.engine.config import MS, SECOND, Media, Severity
from hbcore.formats import authkeys, ha_cf, haresources
from hbcore.formats.haresources import written
from tests.unit.trees import NAMES, PARTS, TREES, findings, found, plant


def test_there_are_enough_and_each_names_its_source() -> None:
    assert len(NAMES) >= 30
    sources = [(TREES / name / "SOURCE").read_text(encoding="utf-8") for name in NAMES]
    assert all(re.search(r"^https?://\S+$", source, re.MULTILINE) for source in sources)
    assert len(set(sources)) == len(NAMES)
    assert all({p.name for p in (TREES / n).iterdir()} <= {*PARTS, "SOURCE", "FINDINGS"} for n in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_found_in_a_posted_configuration(name: str, tmp_path: Path) -> None:
    assert found(name, tmp_path / "ha.d") == (TREES / name / "FINDINGS").read_text().splitlines()


# -- damages -----------------------------------------------------------------------------------------------------------

PASTED = (
    "\u00a0",
    "\u3000",
    "\u200b",
    "\uff12",
    "\u201c",
    "\u2013",
    "\u2026",
    "\ufeff",
    "\\#",
    "\\_",
    "&nbsp;",
    "\x00",
)
STRANGE = "frobnicate"
MODES = (0o640, 0o660, 0o620, 0o604, 0o644, 0o666, 0o601)
Damage = Callable[[random.Random, str], str]


def _counting(dice: random.Random, lines: list[str]) -> int:
    """A line that is neither blank nor a comment."""
    return dice.choice([n for n, line in enumerate(lines) if line.strip() and not line.strip().startswith("#")] or [0])


def swapped(dice: random.Random, text: str) -> str:
    at = dice.randrange(max(1, len(text) - 1))
    return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]


def strange_word(dice: random.Random, text: str) -> str:
    """Anywhere between two words of a line."""
    lines = text.split("\n")
    at = _counting(dice, lines)
    words = re.split(r"([ \t]+)", lines[at])
    words.insert(2 * dice.randrange(len(words) // 2 + 1), f" {STRANGE} ")
    lines[at] = "".join(words)
    return "\n".join(lines)


def strange_line(dice: random.Random, text: str) -> str:
    lines = text.split("\n")
    lines.insert(dice.randrange(len(lines)), f"{STRANGE} 1")
    return "\n".join(lines)


def lost_value(dice: random.Random, text: str) -> str:
    lines = text.split("\n")
    at = _counting(dice, lines)
    lines[at] = (lines[at].split() or [""])[0]
    return "\n".join(lines)


def doubled_line(dice: random.Random, text: str) -> str:
    lines = text.split("\n")
    at = dice.randrange(len(lines))
    return "\n".join([*lines[: at + 1], *lines[at:]])


def pasted(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.choice(PASTED) + text[at:]


def truncated(dice: random.Random, text: str) -> str:
    return text[: dice.randrange(len(text) + 1)]


def joined(dice: random.Random, text: str) -> str:
    """Two lines become one, as where a web page lost the line end."""
    ends = [n for n, char in enumerate(text) if char == "\n"]
    at = dice.choice(ends) if ends else 0
    return text[:at] + " " + text[at + 1 :]


def dos(dice: random.Random, text: str) -> str:
    return text.replace("\n", "\r\n")


DAMAGES: tuple[Damage, ...] = (
    swapped, strange_word, lost_value, doubled_line, pasted, truncated, strange_line, joined, swapped, dos,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(200))
def test_no_word_of_a_damaged_configuration_goes_unseen(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    directory = plant(NAMES[seed % len(NAMES)], tmp_path / "ha.d")
    parts = [p for p in PARTS if (directory / p).exists()]
    part = parts[seed // len(DAMAGES) % len(parts)]
    damage = DAMAGES[seed % len(DAMAGES)]
    before = (directory / part).read_text(encoding="utf-8")
    after = damage(dice, before)
    (directory / part).write_text(after, encoding="utf-8", newline="")
    examined = examine(directory, here=False)
    lines = {p: (directory / p).read_bytes().count(b"\n") + 1 for p in PARTS if (directory / p).exists()}
    for problem in examined.problems:
        assert problem.where.file in PARTS
        assert 0 <= problem.where.line <= lines.get(problem.where.file, 0), problem
    for line in render(examined.problems):
        assert line.isprintable() and "{" not in line.replace("{{", "")
    assert len(as_json(examined.problems)) == len(examined.problems)
    told = {(p.where.file, p.where.line) for p in examined.problems}
    # a word that was said twice is told at its second place, with the first
    told |= {(p.where.file, int(value)) for p in examined.problems for key, value in p.args if key == "other"}
    unseen = [*_ha_cf(directory, told), *_haresources(directory, told), *_authkeys(directory, told)]
    assert unseen == [], (damage.__name__, part)
    if damage in (strange_word, strange_line) and part != "haresources":
        number = next(n for n, line in enumerate(after.split("\n"), 1) if line not in before.split("\n"))
        counts = after.split("\n")[number - 1].partition("#")[0]
        assert STRANGE not in counts or (part, number) in told
    assert (examined.config is None) == any(p.severity is Severity.ERROR for p in examined.problems)


@pytest.mark.parametrize("mode", MODES, ids=oct)
def test_a_wrong_mode_is_told(mode: int, tmp_path: Path) -> None:
    directory = plant("slpcat-freebsd", tmp_path / "ha.d")
    assert examine(directory, here=False).keys is not None
    (directory / "authkeys").chmod(mode)
    examined = examine(directory, here=False)
    assert examined.keys is None and examined.config is None
    assert "authkeys error authkeys-mode" in findings(examined.problems)
    assert f"chmod 600 {directory}/authkeys" in "\n".join(render(examined.problems))


def test_a_strange_word_among_resources_is_a_script_that_is_missed(tmp_path: Path) -> None:
    directory = plant("slpcat-freebsd", tmp_path / "ha.d")
    (directory / "haresources").write_text(f"ha1.example.com IPaddr::10.0.2.17/32/bge0 {STRANGE}\n")
    examined = examine(directory)
    assert examined.config is None
    assert any(p.code == "script-missing" and STRANGE in dict(p.args)["kind"] for p in examined.problems)


# -- what became of each word ------------------------------------------------------------------------------------------

Told = set[tuple[str, int]]


def _split(line: str) -> list[str]:
    return re.split(r"[ \t\r\f]+", line.strip(" \t\r\f")) if line.strip(" \t\r\f") else []


def _ha_cf(directory: Path, told: Told) -> list[str]:
    text = (directory / "ha.cf").read_bytes().decode("utf-8")
    read = ha_cf.parse(text)[0]
    single = {"logfile": read.logfile, "debugfile": read.debugfile, "logfacility": read.logfacility or "none"}
    switches = {"auto_failback": read.auto_failback, "crm": False, "pacemaker": False}
    unseen = []
    for number, line in enumerate(text.split("\n"), 1):
        words = _split(line.partition("#")[0])
        if not words or ("ha.cf", number) in told:
            continue
        option, values = words[0], [v for w in words[1:] for v in w.split(",") if v]
        links = [link for link in read.links if link.where.line == number]
        match option:
            case "node":
                seen = [v.lower() for v in values] == [n.word for n in read.nodes if n.line == number]
            case "ping":
                seen = values == [p.word for p in read.pings if p.line == number]
            case "mcast":
                (link,) = links
                seen = link.media is Media.MCAST and words[1:] == [
                    link.device, link.target, str(link.port), str(link.ttl), str(int(link.loop))
                ]  # fmt: skip
            case "ucast":
                (link,) = links
                seen = link.media is Media.UCAST and words[1:] == [link.device, link.target]
            case "keepalive" | "deadtime" | "warntime" | "initdead" | "deadping":
                (value,) = values
                ns = int(value[:-2]) * MS if value.endswith("ms") else int(value) * SECOND
                seen = read.times[option] == (ns, number)
            case "logfile" | "debugfile" | "logfacility":
                seen = values == [single[option]]
            case "auto_failback" | "crm" | "pacemaker":
                (value,) = values
                seen = (value in ("on", "yes", "true")) is switches[option]
            case "udpport" | "baud":
                seen = len(values) == 1 and values[0].isdigit()
            case "autojoin":
                seen = values == ["none"]
            case "bcast" | "udp" | "serial" | "mcast6" | "ucast6" | "ping6" | "ping_group" | "respawn":
                seen = set(words[1:]) <= set(_leaves(read))
            case _:
                seen = False
        unseen += [] if seen else [f"ha.cf:{number}: {line}"]
    return unseen


def _leaves(value: object) -> Iterator[str]:
    """Every word and number that stands anywhere in what was read."""
    if is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield str(value)


def _haresources(directory: Path, told: Told) -> list[str]:
    if not (directory / "haresources").exists():
        return []
    text = (directory / "haresources").read_bytes().decode("utf-8")
    groups, _ = haresources.parse(text)
    words: list[str] = []
    for group in groups:
        words += [group.node, *(written(r) for r in group.resources)]
        words += ["/".join(str(f) for f in _fields(r.address)) for r in group.resources if r.address and not r.args]
    unseen, numbers, open_words = [], [], []  # of the group that goes on
    for number, line in enumerate(text.split("\n"), 1):
        body = line.rstrip("\r").partition("#")[0]
        numbers.append(number)
        open_words += _split(body.removesuffix("\\"))
        if body.endswith("\\"):
            continue
        if not any(("haresources", n) in told for n in numbers):
            unseen += [f"haresources:{number}: {w}" for w in open_words if w.lower() not in map(str.lower, words)]
        numbers, open_words = [], []
    return unseen


def _fields(address: object) -> list[object]:
    values = [getattr(address, name) for name in ("ip", "prefix", "device", "broadcast")]
    return [v for v in values if v is not None]


def _authkeys(directory: Path, told: Told) -> list[str]:
    text = (directory / "authkeys").read_bytes().decode("utf-8")
    keys = authkeys.parse(text)[0]
    if keys is None:
        assert any(file == "authkeys" for file, _ in told)
        return []
    listed = {(str(k.id), str(k.method), *([k.secret.decode()] if k.secret else [])) for k in keys.keys}
    unseen = []
    for number, line in enumerate(text.split("\n"), 1):
        words = _split(line)
        if not words or words[0].startswith("#") or ("authkeys", number) in told:
            continue
        counts = next((n for n, w in enumerate(words) if w.startswith("#")), len(words))
        if tuple(words[:counts]) not in listed | {("auth", str(keys.sign))}:
            unseen.append(f"authkeys:{number}")
    return unseen
