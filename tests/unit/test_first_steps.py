"""What a new administrator types first, and how it goes wrong: each answer is one that helps, never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hbcore.cli import judge
from hbcore.cli.facts import Checked, Facts
from hbcore.words import say
from tests.unit.mistakes import BASE, write

TREE = Path(__file__).parents[2]
NOBODY = 65534


def hbctl(*words: str, nobody: bool = False, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hbcore.cli.hbctl", *words]
    if nobody and os.geteuid() == 0:
        argv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *argv]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **env}
    return subprocess.run(
        argv,
        cwd=TREE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a refusal."""
    assert "Traceback" not in done.stderr and done.stdout == "", done
    return done.stderr


# -- wrong lines -------------------------------------------------------------------------------------------------------


def test_an_unknown_word_is_answered_by_the_nearest_or_by_all() -> None:
    assert "did you mean check?" in said(hbctl("chekc"))
    far = said(hbctl("frob"))
    assert "did you mean" not in far and "there is no frob; there are status, events" in far


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["install-compat", "--print"], "usage: hbctl install-compat "),
        (["agents", "show"], "usage: hbctl agents "),
        (["standby", "a", "b", "c"], "usage: hbctl standby "),
        (["check", "/tmp", "/usr"], "usage: hbctl check "),
    ],
)
def test_a_wrong_line_shows_how_that_command_is_typed(words: list[str], usage: str) -> None:
    done = hbctl(*words)
    assert done.returncode == 2 and said(done).startswith(usage)


# -- files that are not there, or not to be read -----------------------------------------------------------------------

DEVICE = next(name for _, name in socket.if_nameindex() if name != "lo")
READERS = (["check"], ["explain"], ["doctor", "--config"], ["firewall", "--config"], ["drill", "--config"])


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_no_such_directory(words: list[str], tmp_path: Path) -> None:
    done = hbctl(*words, str(tmp_path / "none"))
    assert done.returncode == 2
    assert said(done) == f"hbctl: There is no {tmp_path}/none; hbctl init writes a first configuration.\n"


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """Where only its owner may look. Above it, all may."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith("pytest-"):
            folder.chmod(0o755)
    tmp_path.chmod(0o755)
    place = tmp_path / "locked"
    place.mkdir(mode=0o700)
    if os.geteuid() != 0:
        place.chmod(0)
    return place


@pytest.mark.needs("setpriv")
@pytest.mark.parametrize("words", [*READERS, ["init", "--peer", "node2", "--device", DEVICE]], ids=" ".join)
def test_a_directory_that_only_root_may_enter(words: list[str], locked: Path) -> None:
    done = hbctl(*words, str(locked / "ha.d"), nobody=True)
    assert done.returncode in (1, 4)
    assert str(locked) in said(done) and "Permission denied" in done.stderr and done.stderr.count("\n") == 1
    done = hbctl(*words, str(locked / "ha.d"), "--json", nobody=True)
    assert "Permission denied" in json.loads(done.stdout)["error"]["text"] and done.stderr == ""


def test_the_directory_need_not_be_typed(tmp_path: Path) -> None:
    place = write(tmp_path / "ha.d", BASE)
    by_name, by_default = hbctl("check", str(place)), hbctl("check", HBCORE_CONFIG=str(place))
    assert by_default.stdout == by_name.stdout != ""


def test_the_way_to_a_wrong_file_is_told_once(tmp_path: Path) -> None:
    place = write(tmp_path / "ha.d", BASE)
    (place / "authkeys").unlink()
    text = said(hbctl("firewall", "--config", str(place)))
    assert text.startswith(f"hbctl: {place}/authkeys: there is no such file") and f"hbctl check {place}" in text
    (place / "authkeys").write_text(BASE["authkeys"])
    (place / "authkeys").chmod(0o600)
    assert hbctl("firewall", "--config", str(place / "ha.cf")).returncode == 0, "one file of it will do"


def test_what_is_there_stays_whatever_else_is_wrong_with_the_line(tmp_path: Path) -> None:
    place = write(tmp_path / "ha.d", BASE)
    done = hbctl("init", str(place))
    assert "already" in said(done) and "--peer" not in done.stderr


# -- what could run, before hbcored does -------------------------------------------------------------------------------


def test_agents_are_listed_and_described_without_a_daemon(tmp_path: Path) -> None:
    place = tmp_path / "ha.d"
    (place / "resource.d").mkdir(parents=True)
    shutil.copy("/bin/true", place / "resource.d/mine")

    def alone(*words: str) -> subprocess.CompletedProcess[str]:
        return hbctl(*words, HBCORE_RUNTIME=str(tmp_path / "run"), HBCORE_CONFIG=str(place))

    done = alone("agents", "--class", "script")
    assert done.returncode == 0 and "mine" in done.stdout.splitlines()
    assert done.stderr == f"hbctl: {say('agents-here')}\n"
    found = json.loads(alone("agents", "show", "mine", "--json").stdout)
    assert (found["path"], found["problem"]) == (str(place / "resource.d/mine"), None)
    none = alone("agents", "show", "other")
    assert none.returncode == 1 and "no other on this node" in none.stderr
    assert alone("agents", "--socket", str(tmp_path / "sock")).returncode == 3, "who was named is asked"


# -- doctor's fixes ----------------------------------------------------------------------------------------------------


def fix(facts: Facts, code: str) -> str:
    (found,) = [one for one in judge.alone(facts) if one.code == code]
    return say(found.fix, **found.args)


def facts(**changed: object) -> Facts:
    known = {"node": "node1", "uname": "node1", "config": "/srv/ha.d", "resolved": ["10.0.0.1"], **changed}
    return Facts(**known)  # type: ignore[arg-type]


def test_how_to_mend_files_names_what_to_type() -> None:
    def problem(code: str) -> Facts:
        return facts(problems=[Checked("/srv/ha.d/ha.cf", "error", code, "")])

    assert "hbctl init /srv/ha.d --peer NAME" in fix(problem("file-missing"), "file-missing")
    assert "as root" in fix(problem("file-unreadable"), "file-unreadable")
    assert fix(problem("option-unknown"), "option-unknown") == "edit /srv/ha.d/ha.cf, then: hbctl check /srv/ha.d"


def test_an_address_for_etc_hosts_is_one_that_others_reach() -> None:
    here = facts(resolved=["127.0.1.1"], addresses=["127.0.0.1", "::1", "fe80::1", "fd00::1"])
    assert fix(here, "dr-loopback") == "in /etc/hosts write: fd00::1 node1"
    assert "ADDRESS" in fix(facts(resolved=[], addresses=["::1"]), "dr-unresolved")
