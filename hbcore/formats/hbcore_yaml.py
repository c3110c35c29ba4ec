"""hbcore.yaml: what the three files have no word for.

    schema: 1
    groups:
      192.168.100.100: {weight: light}     # or heavy

Owns that shape; `profile` (beside schema) and `takeover` (beside weight) have their places kept, and are refused by
name until a version reads them.
Invariant: the text becomes a tree of nodes with line numbers, never Python objects; aliases are not followed twice.
Must not know which groups there are (cluster.py's), nor sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from hbcore.engine.config import Problem, Weight
from hbcore.formats.text import Findings, nearest

SCHEMA = "1"
MAX_DEPTH = 20
HIDDEN_ENDS = "\r\x85\u2028\u2029"  # line ends to YAML and to nobody else: they would shift every line number
KEYS = ("schema", "groups")
GROUP_KEYS = ("weight",)
LATER = ("profile", "timing", "two_node", "no_quorum", "arbiter", "fencing", "links", "nodes", "ping", "cluster")
GROUP_LATER = ("takeover", "failback", "prefer", "resources")
WEIGHTS = tuple(w.value for w in Weight)


@dataclass(frozen=True, slots=True)
class Tag:
    """A group's weight as tagged, and where."""

    group: str
    weight: Weight
    line: int


def parse(text: str, file: str = "hbcore.yaml") -> tuple[tuple[Tag, ...], tuple[Problem, ...]]:
    """The tags in file order, and all problems; a faulty entry is left out."""
    found = Findings(file)
    root = _compose(text, found)
    tags: list[Tag] = []
    if root is not None:
        tags = _root(root, found)
    elif not found.failed:  # nothing but blanks and comments
        found.error(0, "yaml-no-schema", schema=SCHEMA)
    return tuple(tags), found.close()


def _compose(text: str, found: Findings) -> yaml.Node | None:
    for number, line in enumerate(text.split("\n"), 1):
        if any("\ud800" <= c <= "\udfff" for c in line):
            found.error(number, "not-utf8")
            return None
        if hidden := next((c for c in line.removesuffix("\r") if c in HIDDEN_ENDS), None):
            found.error(number, "invisible-character", name="line end", number=f"U+{ord(hidden):04X}")
            return None
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > MAX_DEPTH:
                found.error(_after(event.start_mark), "yaml-too-clever")
                return None
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as bad:
        found.error(
            _after(bad.problem_mark or bad.context_mark), "yaml-syntax", why=bad.problem or bad.context or "not YAML"
        )
    except yaml.reader.ReaderError as bad:
        found.error(text.count("\n", 0, bad.position) + 1, "yaml-character", number=f"U+{_code(bad.character):04X}")
    except (yaml.YAMLError, RecursionError, ValueError) as bad:
        found.error(0, "yaml-syntax", why=type(bad).__name__)
    return None


def _code(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character)[:1] or "?")


def _root(root: yaml.Node, found: Findings) -> list[Tag]:
    entries = _entries(root, found, "the file", KEYS, LATER)
    schema = entries.get("schema")
    if schema is None:
        if not found.failed:
            found.error(0, "yaml-no-schema", schema=SCHEMA)
    elif not isinstance(schema, yaml.ScalarNode) or schema.value != SCHEMA:
        found.error(_line(schema), "yaml-schema", schema=SCHEMA)
    groups = entries.get("groups")
    if groups is None or _is_null(groups):
        return []
    tags = []
    for name, node in _entries(groups, found, "groups", None, ()).items():
        tag = _group(name, node, found)
        if tag is not None:
            tags.append(tag)
    return tags


def _group(name: str, node: yaml.Node, found: Findings) -> Tag | None:
    if isinstance(node, yaml.ScalarNode) and node.value in WEIGHTS:
        found.error(_line(node), "yaml-short-weight", group=name, weight=node.value)
        return None
    weight = _entries(node, found, f"group {name}", GROUP_KEYS, GROUP_LATER).get("weight")
    if weight is None:
        return None
    if not isinstance(weight, yaml.ScalarNode) or weight.value not in WEIGHTS:
        word = weight.value if isinstance(weight, yaml.ScalarNode) else "that"
        found.error(_line(weight), "yaml-weight", word=word, group=name)
        return None
    return Tag(name, Weight(weight.value), _line(weight))


def _entries(
    node: yaml.Node, found: Findings, what: str, known: tuple[str, ...] | None, later: tuple[str, ...]
) -> dict[str, yaml.Node]:
    """A mapping's entries by key; unknown, later and repeated keys are reported and left out."""
    if not isinstance(node, yaml.MappingNode):
        found.error(_line(node), "yaml-not-mapping", what=what)
        return {}
    entries: dict[str, yaml.Node] = {}
    for key_node, value in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        line = _line(key_node)
        if not isinstance(key, str):
            found.error(line, "yaml-key-not-word", what=what)
        elif key in entries:
            found.error(line, "yaml-key-twice", key=key, what=what)
        elif known is not None and key in later:
            found.error(line, "yaml-key-later", key=key, what=what)
        elif known is not None and key not in known:
            near = nearest(key, (*known, *later)) or known[0]
            found.error(line, "yaml-key-unknown", key=key, what=what, near=near)
        else:
            entries[key] = value
    return entries


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")


def _line(node: yaml.Node) -> int:
    return _after(node.start_mark)


def _after(mark: object) -> int:
    """A mark's line as people count, from 1; 0 where there is no mark."""
    line = getattr(mark, "line", None)
    return line + 1 if isinstance(line, int) else 0
