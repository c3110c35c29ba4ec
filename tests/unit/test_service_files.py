"""The service and its manual as they would be installed: real files, systemd's and groff's own judgement."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from hbcore.cli import grammar, hbcored, manual
from hbcore.daemon.journal import Journal
from hbcore.engine.effects import Note
from hbcore.formats import directives
from tests.unit.test_hbctl import HBCTL, TREE

UNIT = "etc/systemd/system/hbcored.service"
PAGES = ("man8/hbctl.8", "man8/hbcored.8", "man5/hbcore-ha.cf.5")


def hbctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HBCTL, *words], cwd=TREE, capture_output=True, text=True, timeout=20, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("root")
    done = hbctl("install-service", "--prefix", str(place))
    assert done.returncode == 0 and "systemctl daemon-reload" in done.stdout, done.stderr
    return place


def settings(unit: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", unit, re.M))


def test_the_unit_says_what_keeps_services_alive(installed: Path) -> None:
    text = (installed / UNIT).read_text()
    found = settings(text)
    want = {
        "Type": "notify",
        "NotifyAccess": "all",
        "KillMode": "process",
        "Restart": "always",
        "LimitMEMLOCK": "infinity",
        "OOMScoreAdjust": "-900",
        "OOMPolicy": "continue",
        "TasksMax": "infinity",
        "WatchdogSec": "30",
    }
    assert {name: found.get(name) for name in want} == want
    assert "network-online.target" in text and "@" not in text.replace("man:", "")
    argv = found["ExecStart"].split()
    done = subprocess.run([*argv, "--version"], cwd=TREE, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0 and done.stdout.startswith("hbcored "), done.stderr


@pytest.mark.needs("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_it(installed: Path) -> None:
    argv = ["systemd-analyze", "verify", "--man=no", str(installed / UNIT)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert [line for line in done.stderr.splitlines() if "hbcored" in line] == [], done.stderr
    assert done.returncode == 0


def test_print_installs_nothing_and_shows_the_same(installed: Path) -> None:
    done = hbctl("install-service", "--print", "--prefix", "/nowhere", "--json")
    shown = json.loads(done.stdout)
    assert shown["/" + UNIT] == (installed / UNIT).read_text()
    assert "/var/log/ha-log" in shown["/etc/logrotate.d/hbcored"]
    assert hbctl("install-service", "--print").stdout.startswith(f"# /{UNIT}\n")
    assert not Path("/nowhere").exists()


def test_a_unit_of_somebody_else_stays(tmp_path: Path) -> None:
    theirs = tmp_path / UNIT
    theirs.parent.mkdir(parents=True)
    theirs.write_text("[Unit]\nDescription=mine\n")
    done = hbctl("install-service", "--prefix", str(tmp_path))
    assert done.returncode == 1 and str(theirs) in done.stderr
    assert not (tmp_path / "usr").exists()


def test_it_goes_as_it_came(tmp_path: Path) -> None:
    assert hbctl("install-service", "--prefix", str(tmp_path)).returncode == 0
    assert hbctl("install-service", "--prefix", str(tmp_path), "--remove").returncode == 0
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_log_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """As logrotate does it with what we install: rename, and tell nobody."""
    log, old = tmp_path / "ha-log", tmp_path / "ha-log.1"
    journal = Journal("node1", str(log), lambda event: None)
    journal.write(Note("leaving"))
    log.rename(old)
    journal.write(Note("leaving"))
    journal.write(Note("leaving"))
    assert [len(path.read_text().splitlines()) for path in (old, log)] == [1, 2]
    assert log.stat().st_mode & 0o777 == 0o640


# -- the manual --------------------------------------------------------------------------------------------------------


def plain(page: str) -> str:
    return page.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")


def test_every_command_and_option_is_in_the_manual() -> None:
    pages = {name: plain(text) for name, text in manual.pages().items()}
    parser = grammar.build()
    (commands,) = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    assert len(commands) > 12
    for name, command in commands.items():
        part = pages["hbctl.8"].partition(f"\n.SS {name}")[2].partition("\n.SS ")[0]
        assert part, name
        for action in command._actions:
            where = part if action.dest not in ("help", "json", "socket", "host") else pages["hbctl.8"]
            assert all(option in where for option in action.option_strings), (name, action)
    for action in hbcored.build()._actions:
        assert all(option in pages["hbcored.8"] for option in action.option_strings)
    for word in directives.KNOWN:
        assert f"\n.B {word}\n" in pages["hbcore-ha.cf.5"], word


def test_no_text_of_the_manual_is_missing_or_unfilled() -> None:
    for name, page in manual.pages().items():
        assert not re.search(r"\{\w+\}|^man\\?-", page, re.M), name
        assert page.isascii(), name


@pytest.mark.needs("groff")
@pytest.mark.parametrize("page", PAGES)
def test_groff_finds_nothing_wrong_with_a_page(installed: Path, page: str) -> None:
    path = installed / "usr/local/share/man" / page
    argv = ["groff", "-man", "-Tutf8", "-ww", "-z", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
