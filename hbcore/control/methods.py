"""The methods of the control API: what each takes, what it answers, and who may call it.

Owns the one table of roles and shapes that server, client and the exported schema share.
Invariant: a method that is not in the table does not exist, and roles are decided nowhere else.
Must not know sockets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hbcore.control.schema import (
    Action,
    Agent,
    AgentParams,
    AgentsParams,
    Event,
    EventsParams,
    Hello,
    HelloParams,
    Nothing,
    Outcome,
    Output,
    OutputParams,
    Plan,
    Role,
    Settled,
    SettledParams,
    Status,
    Struct,
)


@dataclass(frozen=True, slots=True)
class Method:
    """`least`: the least role that may call it."""

    params: type[Struct]
    result: Any
    least: Role


METHODS: dict[str, Method] = {
    "hello": Method(HelloParams, Hello, "viewer"),
    "ping": Method(Nothing, Nothing, "viewer"),
    "status": Method(Nothing, Status, "viewer"),
    "subscribe": Method(Nothing, Status, "viewer"),
    "events": Method(EventsParams, list[Event], "viewer"),
    "output": Method(OutputParams, list[Output], "viewer"),
    "agents": Method(AgentsParams, list[str], "viewer"),
    "agent": Method(AgentParams, Agent, "viewer"),
    "plan": Method(Action, Plan, "viewer"),
    "settled": Method(SettledParams, Settled, "viewer"),
    "act": Method(Action, Outcome, "operator"),
}

# Sent by the server after "subscribe".
NOTES: dict[str, type[Struct]] = {"status": Status, "event": Event}

RANK: dict[Role, int] = {"viewer": 0, "operator": 1, "admin": 2}


def may(role: Role, method: Method) -> bool:
    return RANK[role] >= RANK[method.least]


def lowered(role: Role, asked: Role | None) -> Role:
    """`asked` can take powers away, never add them."""
    return asked if asked is not None and RANK[asked] < RANK[role] else role
