r"""haresources: one line a group, `NODE resource resource ...`, continued with `\` as the last character.

Owns the joining of lines, the shape of resources (`type::arg::arg`, bare addresses; what follows `IPv6addr::` is one
argument whole, which heartbeat's own reading would cut at the address's `::`) and the names by which groups and
resources are shown. Invariant: one useful problem a faulty group; groups returned were read without fault, their names
are unique, and so are the resources' within a group. Which nodes exist and what else collides is cluster.py's.
Must not know scripts on disk, nor sentences.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hbcore.engine.beat import MAX_GROUPS, MAX_NAME
from hbcore.engine.config import Problem, Resource
from hbcore.formats import address, values
from hbcore.formats.pasted import BLANKS
from hbcore.formats.text import Findings, Line, blank_split, lines
from hbcore.formats.values import Fault, fault

MAX_RESOURCES = 64
MAX_ARG = 255
ADDRESS_KINDS = ("IPaddr", "IPaddr2", "IPv6addr")
CLASSES = ("ocf", "systemd", "lsb")
FOREIGN_CLASSES = ("service", "upstart", "stonith", "nagios", "heartbeat")  # Pacemaker's other ones
UNITS = (".service", ".socket", ".target", ".mount", ".timer", ".path", ".slice")
OCF_ADDRESSES = ("IPaddr", "IPaddr2", "IPv6addr")
_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\\:@-]*")  # systemd.unit(5)
_OCF = re.compile(r"[A-Za-z0-9_-]+:[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PARAM = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")
_KIND = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]*")


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One group as written. `places`: the line of each resource. `continues`: the line above, where this one looks like
    its forgotten continuation, else 0.
    """

    node: str
    resources: tuple[Resource, ...]
    line: int
    places: tuple[int, ...]
    name: str = ""
    continues: int = 0


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    line: int


def parse(text: str, file: str = "haresources") -> tuple[tuple[GroupLine, ...], tuple[Problem, ...]]:
    """The groups in file order, named, and all problems sorted by line."""
    found = Findings(file)
    groups: list[GroupLine] = []
    keys: dict[str, int] = {}  # first resource as written -> its line; heartbeat's name of the group
    above = 0
    for words, indented in _joined(text, found):
        continues = above if indented or _is_resource(words[0].text) else 0
        above = words[-1].line
        group = _group(words, continues, found)
        if group is None:
            continue
        key = words[1]
        if key.text in keys:
            found.error(key.line, "group-twice", key=key.text, other=keys[key.text])
        elif len(groups) >= MAX_GROUPS:
            found.error(group.line, "group-many", limit=MAX_GROUPS)
        else:
            keys[key.text] = key.line
            groups.append(group)
    return _named(groups), found.close()


# -- lines -------------------------------------------------------------------------------------------------------


def _joined(text: str, found: Findings) -> Iterator[tuple[list[Word], bool]]:
    """Words of each logical line, and whether its first line was indented; lines at fault are reported and left out."""
    words: list[Word] = []
    indented = broken = glued = False
    open_line = 0  # the line whose `\\` waits for a continuation
    for line in lines(text, found):
        if line.faulty:
            broken = True
            open_line = line.number if line.raw.rstrip(BLANKS).endswith("\\") else 0
        elif open_line and not line.body:
            if line.comment is not None:  # heartbeat would end the group here
                found.error(line.number, "continuation-comment-line", start=open_line)
                broken = True
                continue
            if not broken:
                found.error(open_line, "continuation-open")
            broken, open_line = True, 0
        elif line.body:
            if not words and not open_line:
                indented = line.raw[0] in BLANKS
            body, goes_on, code = _backslash(line)
            if code:
                found.error(line.number, code)
                broken = True
            elif open_line and glued and line.raw[0] not in BLANKS:  # one word or two?
                found.error(open_line, "continuation-glued")
                broken = True
            elif open_line and line.comment is not None:
                found.warning(line.number, "continuation-comment")
            words += [Word(word, line.number) for word in blank_split(body)]
            open_line = line.number if goes_on else 0
            glued = body[-1:] not in BLANKS
        if not open_line:
            if words and not broken:
                yield words, indented
            words, broken = [], False
    if open_line and not broken:
        found.error(open_line, "continuation-open")


def _backslash(line: Line) -> tuple[str, bool, str]:
    """Body without its `\\`, whether the group goes on, and the code of what is wrong with it."""
    if not line.body.endswith("\\"):
        return line.body, False, ""
    body = line.body[:-1]
    if line.comment is not None:
        return body, True, "continuation-then-comment"
    if not line.raw.endswith("\\"):
        return body, True, "continuation-then-blank"
    return body, True, ""


# -- resources ---------------------------------------------------------------------------------------------------


def _is_resource(word: str) -> bool:
    return "::" in word or "/" in word or address.looks_like(word) or address.looks_like_ipv6(word)


def _group(words: list[Word], continues: int, found: Findings) -> GroupLine | None:
    first = words[0]
    if _is_resource(first.text):
        found.error(first.line, "group-continued" if continues else "group-no-node", word=first.text, above=continues)
        return None
    node = values.node(first.text)
    if isinstance(node, Fault):
        found.error(first.line, node.code, option="the node of the group", **dict(node.args))
        return None
    if len(words) == 1:
        found.error(
            first.line, "group-empty-continued" if continues else "group-empty", node=first.text, above=continues
        )
        return None
    if len(words) > MAX_RESOURCES:
        found.error(first.line, "resource-many", limit=MAX_RESOURCES)
        return None
    resources: list[Resource] = []
    for word in words[1:]:
        read = _resource(word.text)
        if isinstance(read, Fault):
            found.error(word.line, read.code, option="the resource", **dict(read.args))
            return None
        if read in resources:
            found.error(word.line, "resource-twice", word=word.text)
            return None
        resources.append(read)
    return GroupLine(node, _unique(resources), first.line, tuple(w.line for w in words[1:]), continues=continues)


def _resource(word: str) -> Resource | Fault:
    if word[0] in "\"'`" or word[-1] in "\"'`":
        return fault("quotes", word=word, write=word.strip("\"'`") or "the bare word")
    kind, *args = word.split("::")
    built_in = next((k for k in ADDRESS_KINDS if k.lower() == kind.partition(":")[0].lower()), None)
    if built_in is not None:
        return _built_in(built_in, word)
    if address.looks_like_ipv6(word):
        return _address("IPv6addr", (), word)
    cls = kind.partition(":")[0]
    if cls.lower() in CLASSES and (":" in kind or args):
        return _classed(cls, word, kind, args)
    if kind.endswith(UNITS) and not args:
        return _unit(kind)
    if wrong := _shape(word, kind, args):
        return wrong
    if address.looks_like(word):
        return _address("IPaddr", (), word)
    if len(kind) > MAX_NAME or _KIND.fullmatch(kind) is None:
        return fault("kind-path", word=kind) if "/" in kind else fault("kind-bad", word=kind)
    if len(word) > MAX_ARG:
        return fault("resource-long", limit=MAX_ARG)
    return Resource(kind, "script", kind, tuple(args))


def _built_in(kind: str, word: str) -> Resource | Fault:
    """`kind::SPEC`: all behind the first `::` is one address, whichever spelling of IPv6 it has."""
    wrote, _, rest = word.partition(":")
    spec = rest.removeprefix(":")
    if not spec:
        example = "2001:db8::5/64" if kind == "IPv6addr" else "192.168.1.100/24"
        return fault("ip-no-args", kind=kind, write=f"{kind}::{example}")
    if spec[0] == ":":
        return fault("args-empty", word=word)
    if wrote != kind or spec == rest:
        return fault("kind-spelling", word=word, write=f"{kind}::{spec}")
    six = address.is_ipv6(spec)
    if (kind == "IPaddr" and six) or (kind == "IPv6addr" and address.looks_like(spec)):
        return fault("ip-family", word=word, write=f"IPv6addr::{spec}" if six else f"IPaddr2::{spec}")
    head, slash, tail = spec.partition("/") if six else ("", "", spec)
    if "::" in tail:
        return fault("ip-colons", word=word, write=f"{kind}::{head}{slash}{'/'.join(filter(None, tail.split('::')))}")
    return _address(kind, (spec,), spec)


def _classed(cls: str, word: str, kind: str, args: list[str]) -> Resource | Fault:
    """`ocf:PROVIDER:TYPE::NAME=VALUE`, `systemd:UNIT`, `lsb:SCRIPT::ARG`."""
    name = kind.partition(":")[2]
    if cls == "OCF" and len(args) == 2 and not name:
        return fault("ocf-wrapper", word=word, agent=args[0], instance=args[1])
    if cls not in CLASSES or not name:  # SYSTEMD:apache2, systemd::apache2
        return fault("class-spelling", word=word, write=":".join((cls.lower(), *filter(None, (name, *args)))))
    if len(word) > MAX_ARG:
        return fault("resource-long", limit=MAX_ARG)
    if cls == "systemd":
        return fault("unit-args", word=word, write=f"systemd:{name}") if args else _unit(name)
    if cls == "lsb":
        return Resource(name, "lsb", name, tuple(args)) if _KIND.fullmatch(name) else fault("kind-bad", word=name)
    kind_of = name.partition(":")[2]
    if _OCF.fullmatch(name) is None:
        return fault("ocf-bad", word=word, write=f"ocf:heartbeat:{name.strip(':').rpartition(':')[2] or 'Filesystem'}")
    if kind_of in OCF_ADDRESSES:
        return fault("ocf-address", word=word)
    if wrong := next((a for a in args if _PARAM.fullmatch(a) is None), None):
        return fault("ocf-param", word=wrong)
    return Resource(kind_of, "ocf", name, tuple(args))


def _unit(name: str) -> Resource | Fault:
    unit = name if name.endswith(UNITS) else f"{name}.service"
    if _UNIT.fullmatch(unit) is None:
        return fault("unit-bad", word=name)
    return Resource(unit.removesuffix(".service"), "systemd", unit)


def _shape(word: str, kind: str, args: list[str]) -> Fault | None:
    """Shapes that can only be mistakes, or that a later version runs."""
    if word == "\\":
        return fault("lone-backslash")
    if ":::" in word or "" in args or not kind:
        return fault("args-empty", word=word)
    lower = kind.partition(":")[0].lower()
    if lower in FOREIGN_CLASSES and (args or ":" in kind):
        name = kind.partition(":")[2] or (args[0] if args else "")
        return fault("class-foreign", word=word, cls=lower, write=name if lower == "heartbeat" else f"systemd:{name}")
    if address.looks_like(kind) and args:
        return fault("ip-colons", word=word, write="/".join([kind, *args]))
    if ":" in kind and kind[0].isdigit() and not address.looks_like(kind):
        return fault("ipv6-bad", word=word)
    if ":" in kind and not address.looks_like(kind):
        return fault("single-colon", word=word, write=_doubled(word))
    if "," in kind:
        return fault("resource-comma", word=word, write=kind.replace(",", " "))
    return None


def _doubled(word: str) -> str:
    return re.sub(r"(?<!:):(?!:)", "::", word)


def _address(kind: str, args: tuple[str, ...], spec: str) -> Resource | Fault:
    read = address.parse_ipv6(spec) if kind == "IPv6addr" else address.parse(spec)
    if isinstance(read, Fault):
        return read
    if args and ":" in read.ip:  # one text, whichever spelling the file has
        args = ("/".join([read.ip, *spec.split("/")[1:]]),)
    return Resource(read.ip, "address", kind, args, read)


# -- names -------------------------------------------------------------------------------------------------------


def written(resource: Resource) -> str:
    """The resource with its arguments, as the file has it."""
    cls = f"{resource.agent}:" if resource.agent in CLASSES else ""
    return "::".join((cls + resource.kind, *resource.args))


def _unique(resources: list[Resource]) -> tuple[Resource, ...]:
    """Shown names: the bare IP, else the word, with its arguments where the word alone stands for several."""
    count = Counter(r.name for r in resources)
    single = {name for name, times in count.items() if times == 1}
    return tuple(r if r.name in single else replace(r, name=_fit(written(r))) for r in resources)


def _named(groups: list[GroupLine]) -> tuple[GroupLine, ...]:
    """A group goes by its first resource: the bare address, else the word, with its arguments where others begin so."""
    firsts = [g.resources[0] for g in groups]
    count = Counter(r.kind for r in firsts if r.agent != "address")
    names = [r.name if r.agent == "address" else r.kind if count[r.kind] == 1 else _fit(written(r)) for r in firsts]
    return tuple(replace(group, name=name) for group, name in zip(groups, names, strict=True))


def _fit(name: str) -> str:
    """Names travel in beats, which bound them: a longer one keeps its beginning and gets a digest."""
    if len(name.encode()) <= MAX_NAME:
        return name
    return name.encode()[: MAX_NAME - 9].decode("utf-8", "ignore") + "~" + hashlib.sha256(name.encode()).hexdigest()[:8]
