"""What the engine says to a person: each code with its severity, its kind and its arguments.

Owns that table; `assert_fit` holds every note of the stories against it. Must not know when a note is due.
"""

from __future__ import annotations

import re
import string

from hbcore.engine.config import ClusterConfig
from hbcore.engine.effects import Note
from hbcore.engine.table import OTHER, OWNER
from hbcore.words import CATALOGUE

SAYS = """
persist-failed      error    failure  error
address-gone        warning  failure  group ip
leaving             info     node
peer-restarted      info     node     node
rules-changed       info     config   node
config-differs-now  warning  config   node
config-agrees       info     config   node
peer-two-way        info     node     node
peer-one-way        warning  node     node
peer-lost           error    node     node
peer-left-cleanly   info     node     node
stalled             warning  node     ms
guard-lost          error    failure
guard-none          warning  failure  error
guard-restored      info     other
carrier-up          info     link     device
carrier-down        warning  link     device
vip-conflict        error    failure  group mac ip
group-found         info     start    group resources
group-started       info     start    group
group-stopped       info     stop     group why
status-unknown      warning  failure  group resource detail
start-failed        error    failure  group resource detail
resource-failed     error    failure  group resource count detail
monitor-blind       warning  failure  group resource detail
stop-failed         error    failure  group resource detail
stop-blocked        error    failure  group resource
claiming            warning  move     group row
claim-dropped       warning  other    group row
taken-over          warning  move     group peer
moving              info     move     group to why
token-passed        info     move     group to why
lapse-reopened      warning  start    group
found-shut          warning  failure  group
abandoned           error    failure  group
lapsed              error    failure  group
lapsed-late         error    failure  group
isolated            error    failure  group
one-way-claim       error    failure  group
yielded             error    failure  group peer
peer-answers        error    failure  group peer
both-hold           error    failure  group peer
contest-over        info     other    group
asked-standby       info     standby  verb about scope
asked-online        info     node     verb about scope
asked-fence         info     fence    verb about scope
asked-takeover      info     move     verb about scope
asked-group-move    info     move     verb about scope
asked-group-start   info     other    verb about scope
asked-group-stop    info     other    verb about scope
asked-group-clear   info     other    verb about scope
asked-cleanup       info     other    verb about scope
"""
TABLE = {code: (severity, kind, names) for code, severity, kind, *names in map(str.split, SAYS.split("\n")[1:-1])}
MAY_BE_EMPTY = {"detail", "node"}  # who started it is the node that says so
NUMBER, MAC, IP = r"\d+", r"([0-9a-f]{2}:){5}[0-9a-f]{2}", r"[0-9a-f.:]+(, [0-9a-f.:]+)*"


def assert_fit(note: Note, me: str, config: ClusterConfig) -> None:
    """Raises AssertionError."""
    severity, kind, names = TABLE[note.code]
    args = dict(note.args)
    assert (note.severity, note.kind, list(args)) == (severity, kind, names), note
    groups = {group.name: group for group in config.groups}
    devices = {link.device for link in config.links} | {"eth0", "eth1"}
    peer = next(node for node in config.nodes if node != me)
    allowed = {
        "group": groups, "node": {peer, ""}, "to": {peer}, "peer": {peer}, "device": devices,
        "row": {row.name for row in (*OWNER, *OTHER)}, "verb": {note.code.removeprefix("asked-")},
        "scope": {"all", "foreign", "local", "failback", ""}, "about": {*groups, *config.nodes},
        "resource": {resource.name for group in config.groups for resource in group.resources},
        "why": {code.removeprefix("cause-") for code in CATALOGUE if code.startswith("cause-")},
    }  # fmt: skip
    for name, value in args.items():
        assert isinstance(value, str) and (value or name in MAY_BE_EMPTY), note
        assert value in allowed.get(name, {value}), (name, note)
        shape = {"ms": NUMBER, "mac": MAC, "ip": IP, "resources": r"\S+(, \S+)*"}.get(name, ".*")
        assert re.fullmatch(shape, value), (name, note)
    about = args.get("group") or args.get("about") or args.get("device")
    assert about in (None, note.about), note
    assert note.about in {*groups, *config.nodes, *devices, ""}, note
    assert (note.actor is None) == (note.code[:6] != "asked-"), note
    named = {field for _, field, _, _ in string.Formatter().parse(CATALOGUE[note.code]) if field}
    assert named <= set(args), note
