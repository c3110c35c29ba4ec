"""The control API as JSON Schema: `python -m hbcore.control.export [FILE]` prints it, or writes FILE (docs/api.json).

Owns what counts as an incompatible change. Invariant: FILE is not overwritten by a schema that breaks its readers while
the API's MAJOR stays the same. Must not know sockets.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hbcore.control.methods import METHODS, NOTES
from hbcore.control.schema import API, Hello, RpcError

REF = "#/types/{name}"
_TEXT = ("description", "title", "default")


def exported() -> dict[str, Any]:
    kinds = [t for m in METHODS.values() for t in (m.params, m.result)]
    named, types = msgspec.json.schema_components([*kinds, *NOTES.values(), Hello, RpcError], ref_template=REF)
    shapes = dict(zip(map(repr, kinds), named, strict=False))
    methods = {
        name: {"params": shapes[repr(m.params)], "result": shapes[repr(m.result)], "role": m.least}
        for name, m in METHODS.items()
    }
    notes = {name: {"$ref": REF.format(name=kind.__name__)} for name, kind in NOTES.items()}
    return {
        "api": API,
        "envelope": "JSON-RPC 2.0, one message a line; the server speaks first",
        "error": {"$ref": REF.format(name="RpcError")},
        "first line": {"$ref": REF.format(name="Hello")},
        "methods": methods,
        "notifications": notes,
        "types": {name: types[name] for name in sorted(types)},
    }


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Why a program written against `old` would fail with `new`; nothing where MAJOR was raised."""
    if old["api"].partition(".")[0] != new["api"].partition(".")[0]:
        return []
    return list(_breaks(old, new))


def _breaks(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    asked = _reached([m["params"] for m in new["methods"].values()], new["types"])
    for name, method in old["methods"].items():
        if name not in new["methods"]:
            yield f"method {name} is gone"
        elif method != new["methods"][name]:
            yield f"method {name} changed: {method} -> {new['methods'][name]}"
    for name in old["notifications"].keys() - new["notifications"].keys():
        yield f"notification {name} is gone"
    for name, before in old["types"].items():
        after = new["types"].get(name)
        if after is None:
            yield f"type {name} is gone"
            continue
        for field, shape in before.get("properties", {}).items():
            if field not in after.get("properties", {}):
                yield f"{name}.{field} is gone"
            elif (was := _bare(shape)) != (now := _bare(after["properties"][field])):
                yield f"{name}.{field} changed: {was} -> {now}"
        required, was_required = set(after.get("required", [])), set(before.get("required", []))
        if name in asked:
            for field in sorted(required - was_required):
                yield f"{name}.{field} is now required in a request"
        for field in sorted(was_required - required):
            if name not in asked:
                yield f"{name}.{field} is no longer always in an answer"


def _bare(shape: Any) -> Any:
    """`shape` without its prose; the order of alternatives and of enum values does not matter."""
    if isinstance(shape, dict):
        return {key: _bare(value) for key, value in shape.items() if key not in _TEXT}
    if isinstance(shape, list):
        return sorted((_bare(item) for item in shape), key=repr)
    return shape


def _reached(shapes: list[Any], types: dict[str, Any]) -> set[str]:
    """Names of the types that `shapes` lead to."""
    found: set[str] = set()
    waiting: list[Any] = list(shapes)
    while waiting:
        shape = waiting.pop()
        if isinstance(shape, list):
            waiting += shape
        elif isinstance(shape, dict):
            name = str(shape.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                waiting.append(types[name])
            waiting += [value for key, value in shape.items() if key not in ("$ref", *_TEXT)]
    return found


def main(argv: list[str]) -> int:
    text = json.dumps(exported(), indent=1, ensure_ascii=False) + "\n"
    if not argv:
        sys.stdout.write(text)
        return 0
    path = Path(argv[0])
    if path.exists() and (found := breaks(json.loads(path.read_text()), exported())):
        sys.stderr.writelines(f"{line}\n" for line in [*found, f"raise MAJOR in hbcore.control.schema.API ({API})"])
        return 1
    path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
