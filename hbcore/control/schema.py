"""The control API's shapes: what `hbctl --json` prints and what the windows are built from.

Owns names and types of every message on the control socket; design.md 6 fixes many of them (add, never rename).
Invariant: a client with the same API MAJOR understands every message; unknown fields are ignored.
Must not know the engine, sockets or screens.

Wire: JSON-RPC 2.0, one message a line. The server's first line is a `Hello`. Requests: {"jsonrpc": "2.0", "id": 1,
"method": "status", "params": {}}. After "subscribe" the server sends notifications {"method": "status", "params":
Status} (at each change and at least once a second) and {"method": "event", "params": Event}.
"""

from __future__ import annotations

from typing import Literal

import msgspec

API = "1.0"

NodeState = Literal["online", "standby", "maintenance", "offline", "joining", "unclean", "fencing"]
LinkState = Literal["up", "late", "one-way", "down"]
GroupState = Literal["started", "starting", "stopped", "stopping", "failed", "blocked", "unknown"]
Level = Literal["full", "address", "classic", "none"]
Role = Literal["viewer", "operator", "admin"]
Scope = Literal["all", "local", "foreign", "failback"]
Operation = Literal["start", "stop", "status"]
AgentClass = Literal["script", "lsb", "ocf", "systemd"]


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all messages: immutable, keyword-only; unknown fields are ignored when read."""


class Said(Struct, frozen=True, kw_only=True):
    """A code with its sentence beside it."""

    code: str
    text: str


class Quorum(Struct, frozen=True, kw_only=True):
    quorate: bool
    votes: int
    expected: int
    mode: str


class Protection(Struct, frozen=True, kw_only=True):
    level: Level
    holes: list[Said]


class Node(Struct, frozen=True, kw_only=True):
    """`heard`: how the answering node hears it: "self" | "two-way" | "one-way" | "lost" | "left" | "never"."""

    name: str
    state: NodeState
    heard: str = "self"
    incarnation: int = 0
    version: str = ""
    why: list[Said] = []
    failures: int = 0
    control: str = "none"  # ok | no | suspended | none : can that node reach its reference address


class Link(Struct, frozen=True, kw_only=True):
    """As seen by the answering node. `age_ms`: since the last beat on it."""

    name: str
    peer: str
    state: LinkState
    rtt_ms: float | None
    reason: str | None
    media: str = ""
    age_ms: float | None = None
    late: int = 0  # late or lost beats in the last 5 minutes


class Ping(Struct, frozen=True, kw_only=True):
    """A ping node: the reference address that may veto, never grant."""

    name: str
    state: Literal["up", "down"]
    rtt_ms: float | None = None
    age_ms: float | None = None


class Resource(Struct, frozen=True, kw_only=True):
    name: str
    agent: str
    state: str  # started | starting | stopped | stopping | failed | unknown
    node: str | None
    failcount: int
    detail: str = ""  # e.g. "192.168.100.100/24 eth0:0" or the script's path
    since: float | None = None  # unix seconds of the last state change
    why: list[Said] = []


class Group(Struct, frozen=True, kw_only=True):
    name: str
    state: GroupState
    node: str | None
    prefer: list[str]
    protection: Protection
    why: list[Said]
    resources: list[Resource]
    weight: Literal["light", "heavy"] = "heavy"
    weight_why: Said | None = None
    epoch: int = 0
    since: float | None = None
    wanted: Literal["started", "stopped"] = "started"
    failback: str = "auto"


class Rule(Struct, frozen=True, kw_only=True):
    group: str
    node: str
    kind: Literal["pin", "ban"]
    by: str
    at: str  # ISO 8601, UTC
    expires: str | None
    reason: str | None


class Alarm(Struct, frozen=True, kw_only=True):
    """Something a person must know now. `since` unix seconds; `about`: node, group or link name."""

    code: str
    text: str
    since: float
    about: str = ""
    severity: Literal["warning", "critical"] = "warning"


class Value(Struct, frozen=True, kw_only=True):
    """A timing or policy value: whose choice it is; where the files left it out, the profile it comes from and
    heartbeat's own default.
    """

    option: str
    value: str
    source: Literal["file", "ours"]
    heartbeats: str | None = None
    profile: str | None = None


class Status(Struct, frozen=True, kw_only=True):
    """One immutable snapshot. `at`: unix seconds when the node made it; the reader shows its age."""

    api: str
    cluster: str
    node: str
    coordinator: str | None
    generation: int
    quorum: Quorum
    protection: Protection
    nodes: list[Node]
    links: list[Link]
    groups: list[Group]
    rules: list[Rule]
    at: float = 0.0
    version: str = ""
    pings: list[Ping] = []
    alarms: list[Alarm] = []
    values: list[Value] = []
    counters: dict[str, int] = {}  # datagrams by class
    pending: int = 0  # commands not settled yet


class Actor(Struct, frozen=True, kw_only=True):
    """Who asked. uid and login uid are what the kernel says; the rest is what the tool says of itself."""

    uid: int | None = None
    login: int | None = None
    name: str = ""
    ssh: str = ""
    tool: str = ""
    reason: str = ""


class Event(Struct, frozen=True, kw_only=True):
    """`id` grows by one per event of a node; `at` unix seconds; `kind` one of the glyph classes of ux.md 3.2."""

    id: int
    at: float
    node: str
    code: str
    text: str
    severity: Literal["info", "warning", "error"] = "info"
    kind: Literal["link", "failure", "fence", "move", "standby", "start", "stop", "config", "node", "other"] = "other"
    about: str = ""
    actor: Actor | None = None


class Effect(Struct, frozen=True, kw_only=True):
    """One line of a plan. `outage_ms` None: not known yet."""

    kind: Literal["stop", "start", "move", "keep", "rule", "mode", "blocked"]
    subject: str
    node: str | None = None
    to: str | None = None
    outage_ms: float | None = None
    said: Said | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """What an action would do, from the state `generation`. `refused` set: it would not be done, and why.

    `level` is the confirmation level of ux.md 3.4 (1 at once, 2 plan dialog, 3 type the name, 4 type and countdown).
    `undo` is the hbctl line that takes it back, "" where there is none.
    """

    action: str
    command: str
    generation: int
    effects: list[Effect]
    warnings: list[Said]
    refused: Said | None
    level: int
    undo: str = ""


class Action(Struct, frozen=True, kw_only=True):
    """A request to act.

    `verb`: standby | online | takeover | group-start | group-stop | group-move | group-clear | cleanup | fence.

    `resource`: of `group`, for cleanup. `generation`: the plan's, when it came from one; the node refuses a stale one
    ("state-changed").
    """

    verb: str
    node: str | None = None
    group: str | None = None
    scope: Scope = "all"
    reason: str = ""
    generation: int | None = None
    confirm_off: bool = False
    tool: str = ""
    resource: str | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """Answer to "act": accepted (and the plan that runs), or refused. `ticket` is waited for with "settled"."""

    accepted: bool
    plan: Plan
    ticket: int = 0


class Settled(Struct, frozen=True, kw_only=True):
    """Answer to "settled" {ticket, timeout_s}: done is False where it timed out; `said` says what is missing."""

    done: bool
    ok: bool
    said: list[Said]
    elapsed_ms: float = 0.0


class Hello(Struct, frozen=True, kw_only=True):
    """First line of the server on socket and stdio."""

    product: str
    version: str
    api: str
    role: Role
    node: str = ""
    cluster: str = ""


class Nothing(Struct, frozen=True, kw_only=True):
    """Parameters of a method that takes none, and the answer of one that has nothing to say."""


class HelloParams(Struct, frozen=True, kw_only=True):
    """Who speaks. `role` only lowers what the kernel granted; of `ssh` (SSH_CONNECTION) the first word counts."""

    role: Role | None = None
    tool: str = ""
    ssh: str = ""


class EventsParams(Struct, frozen=True, kw_only=True):
    """Events at or after `since` (unix seconds; None: all kept), the newest `limit` of them, oldest first."""

    since: float | None = None
    limit: int = 100


class SettledParams(Struct, frozen=True, kw_only=True):
    """Wait until the action behind `ticket` (Outcome) is through, at most `timeout_s` seconds."""

    ticket: int
    timeout_s: float = 60.0


class OutputParams(Struct, frozen=True, kw_only=True):
    """Of a resource of `group`; `operation` None: of each."""

    group: str
    resource: str
    operation: Operation | None = None


class Output(Struct, frozen=True, kw_only=True):
    """The last run of an operation on the answering node. `outcome`: ok | failed | running | stopped | unknown; `exit`:
    the exit code, negative for a signal, None where there was none; `said`: the outcome's sentence. `lines`: the last
    64 KiB of what it printed; a line too long for one goes on in the next. `at`: unix seconds of its end.
    """

    group: str
    resource: str
    operation: Operation
    outcome: str
    exit: int | None
    said: str
    at: float
    took_ms: float
    lines: list[str]


class AgentsParams(Struct, frozen=True, kw_only=True):
    """`kind` None: of each class."""

    kind: AgentClass | None = None


class AgentParams(Struct, frozen=True, kw_only=True):
    """`name`: as in haresources: ocf:heartbeat:Filesystem, systemd:apache2, lsb:x, or a plain word."""

    name: str


class Parameter(Struct, frozen=True, kw_only=True):
    """`default` None: it has none."""

    name: str
    required: bool
    type: str
    default: str | None
    short: str
    about: str


class Agent(Struct, frozen=True, kw_only=True):
    """`kind`: heartbeat | lsb | ocf | systemd, how it is asked. `problem`: why there is nothing more to say; `about`:
    lines. `parameters`: the required ones first.
    """

    name: str
    kind: str
    path: str
    short: str
    about: list[str]
    parameters: list[Parameter]
    problem: Said | None = None


class RpcError(Struct, frozen=True, kw_only=True):
    """JSON-RPC error object; `data` names the code of the sentence in `message`."""

    code: int
    message: str
    data: str = ""


ABSENT = msgspec.Raw()


class Request(Struct, frozen=True, kw_only=True, tag_field="jsonrpc", tag="2.0"):
    method: str
    id: int | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")


class Response(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="jsonrpc", tag="2.0"):
    """`result` or `error`; a notification carries `method` and `params` and no id. Raw parts are ABSENT, never null."""

    id: int | msgspec.UnsetType | None = msgspec.UNSET
    result: msgspec.Raw = ABSENT
    error: RpcError | None = None
    method: str | None = None
    params: msgspec.Raw = ABSENT
