"""docs/api.json is the promise to programs written against this API: it changes by addition only."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hbcore.control.export import breaks, exported, main

API = Path(__file__).parents[2] / "docs" / "api.json"
Schema = dict[str, Any]


def test_nothing_that_programs_rely_on_has_changed() -> None:
    assert breaks(json.loads(API.read_text()), exported()) == []


def test_the_exported_file_is_complete() -> None:
    assert breaks(exported(), json.loads(API.read_text())) == [], "run: python -m hbcore.control.export docs/api.json"


def _drop(schema: Schema) -> None:
    del schema["types"]["Node"]["properties"]["heard"]


def _rename(schema: Schema) -> None:
    fields = schema["types"]["Group"]["properties"]
    fields["owner"] = fields.pop("node")


def _retype(schema: Schema) -> None:
    schema["types"]["Event"]["properties"]["at"] = {"type": "string"}


def _reword(schema: Schema) -> None:
    schema["types"]["Node"]["properties"]["state"]["enum"].append("asleep")


def _require(schema: Schema) -> None:
    schema["types"]["Action"]["properties"]["token"] = {"type": "string"}
    schema["types"]["Action"]["required"].append("token")


def _loosen(schema: Schema) -> None:
    schema["types"]["Status"]["required"].remove("groups")


def _remove(schema: Schema) -> None:
    del schema["methods"]["settled"]


def _raise_role(schema: Schema) -> None:
    schema["methods"]["act"]["role"] = "admin"


def _forget(schema: Schema) -> None:
    del schema["notifications"]["event"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (_drop, "Node.heard"), (_rename, "Group.node"), (_retype, "Event.at"), (_reword, "Node.state"),
        (_require, "Action.token"), (_loosen, "Status.groups"), (_remove, "settled"), (_raise_role, "act"),
        (_forget, "event"),
    ],
)  # fmt: skip
def test_each_incompatible_change_is_named(change: Callable[[Schema], None], word: str) -> None:
    new = copy.deepcopy(exported())
    change(new)
    (found,) = breaks(exported(), new)
    assert word in found
    new["api"] = "2.0"
    assert breaks(exported(), new) == []


def test_additions_are_compatible() -> None:
    new = copy.deepcopy(exported())
    new["types"]["Status"]["properties"]["mood"] = {"type": "string"}
    new["types"]["Status"]["required"].append("mood")
    new["types"]["Action"]["properties"]["hint"] = {"type": "string"}
    new["methods"]["sing"] = new["methods"]["ping"]
    assert breaks(exported(), new) == []


def test_the_file_is_not_overwritten_by_a_breaking_schema(tmp_path: Path) -> None:
    old = copy.deepcopy(exported())
    old["types"]["Node"]["properties"]["mood"] = {"type": "string"}
    path = tmp_path / "api.json"
    path.write_text(json.dumps(old))
    assert main([str(path)]) == 1
    assert json.loads(path.read_text()) == old
    path.unlink()
    assert main([str(path)]) == 0
    assert breaks(json.loads(path.read_text()), exported()) == []
