"""Pasted text: every foreign character is named by its column, and the line that is offered is a good one.

Must not know how it is found: text in, printed lines out.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbcore.cli.preflight import render
from hbcore.formats import authkeys, ha_cf, haresources
from hbcore.formats.load import load
from hbcore.formats.pasted import MARKS, trace
from tests.unit.mistakes import BASE, write

FOREIGN = {
    "\u3000": "ideographic space", "\u00a0": "no-break space", "\u2003": "em space", "\u200b": "zero width space",
    "\u200d": "zero width joiner", "\ufeff": "zero width no-break space", "\u00ad": "soft hyphen",
    "\u2028": "line separator", "\u201c": "left double quotation mark", "\u2019": "right single quotation mark",
    "\u00ab": "left-pointing double angle", "\u2013": "en dash", "\u2014": "em dash", "\u2212": "minus sign",
    "\u2026": "horizontal ellipsis", "\uff11": "fullwidth digit one", "\uff41": "fullwidth latin small letter a",
    "\uff0c": "fullwidth comma", "\uff1a": "fullwidth colon", "\uff08": "fullwidth left parenthesis",
    "\uff03": "fullwidth number sign", "\x07": "control",
}  # fmt: skip


@pytest.mark.parametrize("char", FOREIGN, ids=FOREIGN.get)
@pytest.mark.parametrize("parse", [ha_cf.parse, haresources.parse], ids=["ha.cf", "haresources"])
def test_a_foreign_character_is_named_with_its_column(char: str, parse: object) -> None:
    assert callable(parse)
    _, problems = parse(f"\tnode1 10.0.0.{char}1\n")
    told = [line for line in render(problems) if "column 15" in line]
    assert len(told) == 1 and ":1: " in told[0], render(problems)
    assert f"U+{ord(char):04X}" in told[0] and FOREIGN[char] in told[0]
    assert char not in told[0] or char.isprintable()
    assert re.search(r"write `node1 10\.0\.0\.[^`]*`", told[0])


@pytest.mark.parametrize("char", FOREIGN, ids=FOREIGN.get)
def test_of_a_line_of_authkeys_only_the_column_is_told(char: str) -> None:
    keys, problems = authkeys.parse(f"auth 1\n1 sha256 geheim{char}nis\n")
    (told,) = render(problems)
    assert keys is None
    assert told.startswith("authkeys:2: column 16 ") and "geheim" not in told and char not in told


def test_a_comment_may_hold_anything() -> None:
    comment = "".join(FOREIGN).replace("\u2028", "") + "中文，说明"
    for name, parse in (("ha.cf", ha_cf.parse), ("haresources", haresources.parse)):
        text = "".join(f"{line} # {comment}\n" for line in BASE[name].splitlines())
        assert parse(text)[1] == ()
    assert authkeys.parse(f"# {comment}\nauth 1 # {comment}\n1 sha256 {'ab' * 32}   ## {comment}\n")[1] == ()


def test_the_offered_line_mends_a_whole_file(tmp_path: Path) -> None:
    """As a person would: take what is offered for each line, until nothing is offered any more."""
    pasted = {
        "ha.cf": (
            "\\# 日志\n"
            "logfile\u00a0/var/log/ha-log\n"
            "keepalive\u3000\uff11\uff10\uff10ms\uff03 每秒十次\n"
            "deadtime 500ms \\\\死了\n"
            "auto\\_failback on // back home\n"
            "mcast eth0\u200b 225.0.0.1 694 1 0\n"
            "node n\u043ede1 &nbsp;node2\n"
            "debug 1(verbose)\n"
        ),
        "haresources": "node1 \u201c192.168.100.100/24\u201d \\\\\n  httpd\n",
        "authkeys": BASE["authkeys"],
    }
    directory = write(tmp_path / "ha.d", pasted)
    for _ in range(4):
        found = load(directory)
        for problem in found.problems:
            offered = re.search(r"write `(.*)`$", render([problem])[0])
            path = directory / problem.where.file
            lines = path.read_text(encoding="utf-8").split("\n")
            if offered:
                lines[problem.where.line - 1] = offered[1]
                path.write_text("\n".join(lines), encoding="utf-8")
    assert found.config is not None
    assert found.config.nodes == ("node1", "node2")
    assert found.config.logfile == "/var/log/ha-log"
    assert [r.name for r in found.config.groups[0].resources] == ["192.168.100.100", "httpd"]


def test_the_manual_shows_what_is_printed() -> None:
    shown = (Path(__file__).resolve().parents[2] / "docs" / "ha.cf.md").read_text(encoding="utf-8")
    for line in ("node\u00a0node1", "\\#mcast eth0 225.0.0.1 694 1 0", "compression_threshold 2(K)"):
        (sentence,) = [s for s in render(ha_cf.parse(line)[1]) if s.startswith("ha.cf:1: ")]
        assert sentence.removeprefix("ha.cf:1: ") in shown


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [*FOREIGN, *MARKS, "\\#", "\\_", "&nbsp;", "&amp;", "node", " ", "\t", "#", "1", "\u043e", "\udcf6"]
        )
    ).map("".join),
    st.booleans(),
)
def test_what_is_offered_has_no_trace_any_more(raw: str, comments: bool) -> None:
    found = trace(raw, comments=comments)
    if found is None or not found.line:
        return
    assert 1 <= found.column <= len(raw)
    assert trace(found.line, comments=comments) is None
