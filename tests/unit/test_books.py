"""The books that measurements are kept in: nothing is lost by looking, nothing is better than it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.mutants import book as mutants
from tests.mutants.__main__ import Verdict
from tests.mutants.trial import Caught
from tests.soak import __main__ as soak
from tests.soak import book


def test_a_new_table_forgets_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "LINES", tmp_path / "soak.jsonl")
    monkeypatch.setattr(book, "TABLE", tmp_path / "measurements.md")
    old = {"kind": "move", "code": "of an older source", "ok": True}
    book.LINES.write_text(json.dumps(old) + "\n")
    monkeypatch.setattr("sys.argv", ["soak", "--table"])
    assert soak.main() == 1, "and what is of another source counts for nothing"
    assert json.loads(book.LINES.read_text()) == old and "- 0 of 0: planned moves" in book.TABLE.read_text()


def test_what_survives_or_cannot_be_tried_is_not_called_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "BOOK", tmp_path / "mutants.md")
    mutants.BOOK.write_text("head\n" + mutants.MARK)
    caught = Verdict("one", "4", "", {"known": Caught("scene x", "S1"), "seeds": None})
    verdicts = [
        caught,
        Verdict("two", "4", "", {"known": None, "seeds": None}),
        Verdict("three", "4", "", error="Rotten"),
    ]
    mutants.write(verdicts, 20)
    text = mutants.BOOK.read_text()
    assert "1 of 3 mutants are caught; 0 of them by drawn runs, too. " in text
    assert "| two | 4 | **nothing** | it survives | - |" in text and "| three | 4 | **nothing** | Rotten | - |" in text
