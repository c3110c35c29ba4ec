"""The real files: the tutorial's, byte for byte, mean what they say; its pasted text gets one line a fault.

Must not know how anything is parsed: files in, configuration and printed lines out.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from hbcore.cli.preflight import as_json, examine, render
from hbcore.engine.config import MS, SECOND, Address, Chosen, Media, Timing, Weight
from hbcore.engine.keys import Method
from hbcore.formats.load import load

TUTORIAL = Path(__file__).resolve().parents[1] / "data" / "tutorial"
SUMS = {
    "0-annotated/ha.cf": "797b66b4d7c37fb15269fd83523a0dd29eadc0dcc0167c0cbd4ecb7581d67d9c",
    "1-httpd/ha.d/authkeys": "04e653563dff1f15eb2172dc7cc4a42d7b664bfe9797f068b1f2d8c8c69ac147",
    "1-httpd/ha.d/ha.cf": "d91761e77bad4fcbc88ad1cbd04a764c5f4a5a6afdcbd6d59b31bf15d181ce69",
    "1-httpd/ha.d/haresources": "c96c2ecd52aff47b894b38c2ee040ac1eccfa1647dd77575790c00389b5f7624",
    "2-nfs/ha.d/authkeys": "04e653563dff1f15eb2172dc7cc4a42d7b664bfe9797f068b1f2d8c8c69ac147",
    "2-nfs/ha.d/ha.cf": "d91761e77bad4fcbc88ad1cbd04a764c5f4a5a6afdcbd6d59b31bf15d181ce69",
    "2-nfs/ha.d/haresources": "7eb526c1278422e438a2b34cfee3ec9f52285f84d8042c8bcfb25f88b90a7ab3",
    "3-mysql/ha.d/authkeys": "04e653563dff1f15eb2172dc7cc4a42d7b664bfe9797f068b1f2d8c8c69ac147",
    "3-mysql/ha.d/ha.cf": "d91761e77bad4fcbc88ad1cbd04a764c5f4a5a6afdcbd6d59b31bf15d181ce69",
    "3-mysql/ha.d/haresources": "3963a2aab02d18bf1291e40935cb8a137c666f5526a5935c590815bcb3c0962b",
    "4-crm/ha.d/authkeys": "f6452dc322e1aab070855f69aa980c44903c04a102c1870c95d352cab9db42d9",
    "4-crm/ha.d/ha.cf": "e444bdee37d0f98e6426ac0d0cc837ec99cd1f57c412becc02be36ad4dab6d66",
}


def tutorial(name: str, to: Path, *scripts: str) -> Path:
    """A copy of a tutorial directory with the scripts it needs and the mode authkeys needs."""
    shutil.copytree(TUTORIAL / name, to)
    if (to / "authkeys").exists():
        (to / "authkeys").chmod(0o600)
    (to / "resource.d").mkdir()
    for script in scripts:
        (to / "resource.d" / script).write_text("#!/bin/sh\n")
        (to / "resource.d" / script).chmod(0o755)
    return to


@pytest.mark.parametrize("name", SUMS)
def test_the_copies_are_byte_for_byte(name: str) -> None:
    assert hashlib.sha256((TUTORIAL / name).read_bytes()).hexdigest() == SUMS[name]


def test_nothing_else_is_among_the_copies() -> None:
    assert sorted(str(p.relative_to(TUTORIAL)) for p in TUTORIAL.rglob("*") if p.is_file()) == sorted(SUMS)


def test_httpd_means_what_it_says(tmp_path: Path) -> None:
    directory = tutorial("1-httpd/ha.d", tmp_path / "ha.d", "httpd")
    examined = examine(directory, "node2.xiaofei.com", here=False)
    config, keys = examined.config, examined.keys
    assert config is not None
    assert keys is not None
    assert config.nodes == ("node1.xiaofei.com", "node2.xiaofei.com")
    assert config.pings == ("192.168.100.254",)
    assert config.logfile == "/var/log/ha-log"
    assert config.auto_failback is True
    assert config.timing == Timing(100 * MS, 250 * MS, 500 * MS, 12 * SECOND, 500 * MS)
    (link,) = config.links
    assert (link.name, link.media, link.device, link.target) == ("eth0", Media.MCAST, "eth0", "225.100.0.1")
    assert (link.port, link.ttl, link.loop, link.where.line) == (694, 1, False, 2)
    (group,) = config.groups
    assert (group.name, group.prefer) == ("192.168.100.100", ("node1.xiaofei.com", "node2.xiaofei.com"))
    assert (group.weight, group.weight_why) == (Weight.LIGHT, "weight-known-light")
    address, httpd = group.resources
    assert address.address == Address("192.168.100.100", 24, "eth0", "192.168.100.255")
    assert (httpd.name, httpd.agent, httpd.kind, httpd.args) == ("httpd", "script", "httpd", ())
    assert examined.scripts == {"httpd": directory / "resource.d" / "httpd"}
    assert (keys.sign, keys.signer.method, keys.signer.secret) == (2, Method.SHA1, b"0576e27920f46d92")


def test_httpd_says_which_values_are_ours(tmp_path: Path) -> None:
    examined = examine(tutorial("1-httpd/ha.d", tmp_path / "ha.d", "httpd"), here=False)
    assert examined.config is not None
    assert examined.config.chosen == (
        Chosen("keepalive", "100 ms", "1 s"),
        Chosen("warntime", "250 ms", "15 s"),
        Chosen("deadtime", "500 ms", "30 s"),
        Chosen("initdead", "12 s", "30 s"),
        Chosen("deadping", "500 ms", "30 s"),
        Chosen("auto_failback", "on", "legacy"),
    )
    told = render(examined.problems)
    assert any(
        line.startswith("ha.cf: note: left out") and "deadtime 500 ms (30 s)" in line and "(legacy)" in line
        for line in told
    )
    assert any(line.startswith("authkeys:2: warning: key 2 (sha1) has 64 bits") for line in told)
    assert any(line.startswith("haresources:1: note: group 192.168.100.100 is light") for line in told)


@pytest.mark.parametrize("name, script", [("2-nfs", "httpd"), ("3-mysql", "mysql")])
def test_a_group_with_a_filesystem_is_heavy(name: str, script: str, tmp_path: Path) -> None:
    directory = tutorial(f"{name}/ha.d", tmp_path / "ha.d", script, "Filesystem")
    config = examine(directory, here=False).config
    assert config is not None
    (group,) = config.groups
    assert (group.weight, group.weight_of) == (Weight.HEAVY, "Filesystem")
    assert group.resources[1].args[0].startswith("192.168.100.9:/data/")
    assert len(group.resources[1].args) == 3


def test_crm_is_refused_by_name(tmp_path: Path) -> None:
    examined = examine(tutorial("4-crm/ha.d", tmp_path / "ha.d"), here=False)
    assert examined.config is None
    assert any(line.startswith("ha.cf:13: crm on") and "Pacemaker" in line for line in render(examined.problems))
    assert examined.keys is not None
    assert examined.keys.signer.secret == b"9fe252b0cf5ba0d3"  # what follows the key begins with #


ESCAPED = (23, 25, 27, 31, 33, 35, 37, 39, 47, 49, 55, 59, 61, 63, 65, 67)
# line of the pasted text -> (severity word, what must stand in the sentence)
PASTED = {
    17: ("note: ", "baud has no effect"),
    51: ("note: ", "apiauth has no effect"),
    53: ("note: ", "pingd is built in"),
    69: ("note: ", "compression has no effect"),
    71: ("", "( in column 24 is no part of one: write `compression_threshold 2`"),
    **dict.fromkeys(ESCAPED, ("", "the backslash in column 1 is Markdown's, a comment begins with # alone: write `#")),
}


def test_pasted_text_gets_one_useful_line_a_fault(tmp_path: Path) -> None:
    directory = tutorial("1-httpd/ha.d", tmp_path / "ha.d", "httpd")
    text = (TUTORIAL / "0-annotated" / "ha.cf").read_bytes()
    (directory / "ha.cf").write_bytes(text)
    (directory / "haresources").write_text("node1.magedu.com 192.168.100.100/24/eth0/192.168.100.255 httpd\n")
    told = [line for line in render(load(directory).problems) if line.startswith("ha.cf:")]
    expected = [f"ha.cf:{line}: {PASTED[line][0]}" for line in sorted(PASTED)]
    assert len(told) == len(expected)
    for line, start, number in zip(told, expected, sorted(PASTED), strict=True):
        assert line.startswith(start)
        assert PASTED[number][1] in line


def test_json_says_the_same(tmp_path: Path) -> None:
    problems = examine(tutorial("4-crm/ha.d", tmp_path / "ha.d"), here=False).problems
    listed = as_json(problems)
    assert len(listed) == len(problems)
    crm = next(entry for entry in listed if entry["code"] == "refused-crm")
    assert (crm["file"], crm["line"], crm["severity"]) == ("ha.cf", 13, "error")
    assert "Pacemaker" in str(crm["text"])
    assert render(problems, "/etc/ha.d/")[0].startswith("/etc/ha.d/")
