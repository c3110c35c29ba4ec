"""hbcore.yaml: what the three files have no word for.

    schema: 1
    profile: fast                          # standard, fast, vm or wan; or single times:
    timing: {keepalive: 200ms, deadtime: 2}
    guard: auto                            # required or off
    groups:
      192.168.100.100: {weight: light}     # or heavy
      192.168.100.101:
        guard: off
        resources:                           # how each is looked after
          httpd: {monitor: 30, stop: 120, restarts: 1, on_fail: move}

Owns that shape; the other words of the configuration to come, and `takeover` (beside weight), have their places kept,
and are refused by name until a version reads them.
Invariant: the text becomes a tree of nodes with line numbers, never Python objects; aliases are not followed twice.
Must not know which groups there are (cluster.py's), what the times mean together (timing.py's), nor sentences.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from hbcore.engine.config import CARE, SECOND, Care, Guard, OnFail, Problem, Weight
from hbcore.engine.lease import PROFILES
from hbcore.formats.directives import TIMES
from hbcore.formats.ha_cf import EXAMPLES
from hbcore.formats.pasted import is_bad_byte
from hbcore.formats.text import Findings, nearest
from hbcore.formats.values import OFF, ON, Fault, time_ns, whole

SCHEMA = "1"
MAX_DEPTH = 20
HIDDEN_ENDS = "\r\x85\u2028\u2029"  # line ends to YAML and to nobody else: they would shift every line number
KEYS = ("schema", "profile", "timing", "guard", "groups")
GROUP_KEYS = ("weight", "guard", "resources")
CARE_TIMES = ("monitor", "start", "stop", "status", "forget")
CARE_KEYS = (*CARE_TIMES, "restarts", "on_fail")
LATER = ("two_node", "no_quorum", "arbiter", "fencing", "links", "nodes", "ping", "cluster")
GROUP_LATER = ("takeover", "failback", "prefer")
WEIGHTS = tuple(w.value for w in Weight)
GUARDS = tuple(g.value for g in Guard)
ON_FAILS = tuple(o.value for o in OnFail)
NEVER = "never"  # monitor
LEAST_NS = SECOND  # between two monitors
MOST_RESTARTS = 1000
MEANT = {**dict.fromkeys(ON, "auto"), **dict.fromkeys(OFF, "off")}  # a guard written as a switch


@dataclass(frozen=True, slots=True)
class Cared:
    """How the resource of that name is to be looked after; what is not said is as it ever is."""

    resource: str
    line: int
    care: Care


@dataclass(frozen=True, slots=True)
class Tag:
    """What a group is tagged with, and in which lines; None: not said."""

    group: str
    line: int
    weight: Weight | None = None
    weight_line: int = 0
    guard: Guard | None = None
    guard_line: int = 0
    cares: tuple[Cared, ...] = ()


@dataclass(frozen=True, slots=True)
class HbcoreYaml:
    """What one hbcore.yaml says; "", None and absent keys: nothing. `times`: option -> (nanoseconds, line)."""

    profile: str = ""
    profile_line: int = 0
    times: dict[str, tuple[int, int]] = field(default_factory=dict)
    guard: Guard | None = None
    guard_line: int = 0
    tags: tuple[Tag, ...] = ()


def parse(text: str, file: str = "hbcore.yaml") -> tuple[HbcoreYaml, tuple[Problem, ...]]:
    """What the text says, and all problems; a faulty entry is left out."""
    found = Findings(file)
    root = _compose(text, found)
    said = HbcoreYaml()
    if root is not None:
        said = _root(root, found)
    elif not found.failed:  # nothing but blanks and comments
        found.error(0, "yaml-no-schema", schema=SCHEMA)
    return said, found.close()


def _compose(text: str, found: Findings) -> yaml.Node | None:
    for number, line in enumerate(text.split("\n"), 1):
        if any(is_bad_byte(c) for c in line):
            found.error(number, "not-utf8")
            return None
        shown = line.removesuffix("\r")
        if at := next((n for n, c in enumerate(shown, 1) if c in HIDDEN_ENDS), 0):
            write = f"`{shown.translate(dict.fromkeys(map(ord, HIDDEN_ENDS)))}`"
            shown_as = f"U+{ord(shown[at - 1]):04X}"
            found.error(number, "invisible-character", name="line end", number=shown_as, column=at, write=write)
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


def _root(root: yaml.Node, found: Findings) -> HbcoreYaml:
    entries = _entries(root, found, "the file", KEYS, LATER)
    schema = entries.get("schema")
    if schema is None:
        if not found.failed:
            found.error(0, "yaml-no-schema", schema=SCHEMA)
    elif not isinstance(schema, yaml.ScalarNode) or schema.value != SCHEMA:
        found.error(_line(schema), "yaml-schema", schema=SCHEMA)
    profile, profile_line = _choice(entries, "profile", PROFILES, found)
    guard, guard_line = _choice(entries, "guard", GUARDS, found)
    groups = [_group(name, node, found) for name, node in _below(entries, "groups", None, found).items()]
    return HbcoreYaml(
        profile or "",
        profile_line,
        _times(_below(entries, "timing", TIMES, found), found),
        Guard(guard) if guard else None,
        guard_line,
        tuple(tag for tag in groups if tag is not None),
    )


def _below(
    entries: dict[str, yaml.Node], key: str, known: tuple[str, ...] | None, found: Findings
) -> dict[str, yaml.Node]:
    """The mapping under a key; an empty or missing one says nothing."""
    node = entries.get(key)
    return {} if node is None or _is_null(node) else _entries(node, found, key, known, ())


def _times(entries: dict[str, yaml.Node], found: Findings) -> dict[str, tuple[int, int]]:
    times: dict[str, tuple[int, int]] = {}
    for option, node in entries.items():
        example = EXAMPLES.get(option, f"{option} 60").replace(" ", ": ", 1)
        word = node.value if isinstance(node, yaml.ScalarNode) else ""
        ns = time_ns(word)
        if not word:
            found.error(_line(node), "no-value", option=option, example=example)
        elif isinstance(ns, Fault):
            found.error(_line(node), ns.code, option=option, **dict(ns.args))
        elif ns == 0:
            found.error(_line(node), "time-zero", option=option, example=example)
        else:
            times[option] = (ns, _line(node))
    return times


def _group(name: str, node: yaml.Node, found: Findings) -> Tag | None:
    if isinstance(node, yaml.ScalarNode) and node.value in WEIGHTS:
        found.error(_line(node), "yaml-short-weight", group=name, weight=node.value)
        return None
    entries = _entries(node, found, f"group {name}", GROUP_KEYS, GROUP_LATER)
    weight, weight_line = _choice(entries, "weight", WEIGHTS, found)
    guard, guard_line = _choice(entries, "guard", GUARDS, found)
    below = _below(entries, "resources", None, found)
    cares = tuple(Cared(r, _line(n), _care(r, n, found)) for r, n in below.items())
    if weight is None and guard is None and not cares:
        return None
    return Tag(
        name, weight_line or guard_line or cares[0].line, Weight(weight) if weight else None, weight_line,
        Guard(guard) if guard else None, guard_line, cares,
    )  # fmt: skip


def _care(resource: str, node: yaml.Node, found: Findings) -> Care:
    entries = _entries(node, found, f"resource {resource}", CARE_KEYS, ())
    said: dict[str, Any] = {}
    monitor = entries.get("monitor")
    if isinstance(monitor, yaml.ScalarNode) and monitor.value == NEVER:
        said["monitor_ns"] = 0
        del entries["monitor"]
    times = {option: node for option, node in entries.items() if option in CARE_TIMES}
    for option, (ns, line) in _times(times, found).items():
        if option == "monitor" and ns < LEAST_NS:
            found.error(line, "care-monitor-often", resource=resource)
        else:
            said[f"{option}_ns"] = ns
    if restarts := entries.get("restarts"):
        count = whole(restarts.value if isinstance(restarts, yaml.ScalarNode) else "", 0, MOST_RESTARTS)
        if isinstance(count, Fault):
            found.error(_line(restarts), count.code, option="restarts", **dict(count.args))
        else:
            said["restarts"] = count
    on_fail, _ = _choice(entries, "on_fail", ON_FAILS, found)
    if on_fail:
        said["on_fail"] = OnFail(on_fail)
    return replace(CARE, **said)


def _choice(entries: dict[str, yaml.Node], key: str, allowed: Iterable[str], found: Findings) -> tuple[str | None, int]:
    """One of a few words, and its line; (None, 0) where it is not said, or wrong, which is told."""
    node = entries.get(key)
    if node is None:
        return None, 0
    names = tuple(allowed)
    word = str(node.value) if isinstance(node, yaml.ScalarNode) else "a list"
    if word in names:
        return word, _line(node)
    meant = MEANT.get(word.lower())
    near = meant if meant in names else (word and nearest(word, names, 0.0)) or names[0]
    found.error(_line(node), "yaml-choice", key=key, word=word or "empty", near=near, allowed=", ".join(names))
    return None, 0


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
            near = nearest(key, (*known, *later), 0.0) or known[0]
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
