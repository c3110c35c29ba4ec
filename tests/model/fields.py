"""Which fields of the engine's objects count for what comes next, and how each is written down.

Owns the lists. Invariant: every field of every class stands in exactly one list; one that is new is refused
(`unknown_fields`) until somebody said what it is. Must not know how a whole node is put together.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hbcore.engine.engine import Engine
from hbcore.engine.group import Group, Token
from hbcore.engine.heart import Heart
from hbcore.engine.isolation import Control
from hbcore.engine.leases import Leases, Renewed
from hbcore.engine.member import Member
from hbcore.engine.peer import PeerView
from hbcore.engine.probing import Probing
from hbcore.engine.world import World
from tests.model.node import TICK, Node, Settings

NOW = 100_000 * TICK  # when a node is that is made from what was written down
EPOCH = 100  # ... and the least epoch it then knows
COUNT = 1000  # ... and the last operation it began

LEASE = 4  # ticks; a proof that is older proves nothing
DEAD = 6
OLD = 12  # more than two deadtimes and what is compared with them
BORN = 16  # ... and initdead
ALONE = 21  # ... and for how long one may be answered alone (engine.isolation)

Code = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """`ages`: times, with the ticks after which they are only old. `plain`: as they are. `same`: constant in a search,
    or for a person only. `reset`: of no effect, or always so between two ticks. `hand`: see codec.py."""

    ages: dict[str, int]
    plain: tuple[str, ...]
    same: tuple[str, ...]
    reset: dict[str, Callable[[], Any]]
    hand: tuple[str, ...]

    def all(self) -> list[str]:
        return [*self.ages, *self.plain, *self.same, *self.reset, *self.hand]


def _fields(
    *, same: str = "", plain: str = "", hand: str = "", ages: dict[str, int] | None = None,
    reset: dict[str, Callable[[], Any]] | None = None,
) -> Fields:  # fmt: skip
    return Fields(ages or {}, tuple(plain.split()), tuple(same.split()), reset or {}, tuple(hand.split()))


FIELDS: dict[type, Fields] = {
    Heart: _fields(
        same="lease nonce _me _cluster _incarnation _generation _timing _connected refused namesake _met_ns",
        plain="_left _vouched",
        ages={"_echo_ns": LEASE, "_told_ns": 1, "_speaks_ns": 1},
        hand="leases _pings _asked _words _lives _current _candidate _sent _seq _next_beat_ns _expected_ns _alive_ns",
        reset={
            "heard_ns": int, "_woken_ns": int, "released": dict, "_gone_ns": int, "_last_words": int, "_proved_ns": int,
            "beside": lambda: (0, ()),
        },
    ),
    Leases: _fields(
        same="_lease", plain="guard _grace_ns", hand="by_group", reset={"_rebuilt_ns": int, "_rebuild_ns": int},
    ),
    Renewed: _fields(
        plain="reopen", hand="held",
        ages={"until_ns": OLD, "gate_ns": OLD, "lapsed_ns": OLD, "base_ns": LEASE, "neighbour_ns": LEASE},
        reset={"refreshed_ns": int},
    ),
    Engine: _fields(
        same="_peer_was _shape",
        hand="world _stored _ops _probes _said _hold _deadline_ns",
        reset={
            "tickets": dict, "generation": int, "trace": lambda: deque(maxlen=0), "_persists": int, "_persisted": int,
            "_said_ns": int, "_gone": bool, "_look_ns": int,
        },
    ),
    World: _fields(
        same="me config lease book answered services peer_macs peer_bases former_macs wall_ns version "
        "config_digest namesake_ns refused",
        plain="guard", ages={"listened_ns": DEAD + 2}, hand="peer groups controls",
        reset={"leaving": bool, "left": bool, "config_differs": bool, "announce": set, "notes": list},
    ),
    PeerView: _fields(
        same="name timing lease", plain="left", hand="born_ns began_ns incarnation words said",
        ages={
            "heard_ns": OLD, "two_way_ns": OLD, "two_way_since_ns": OLD, "said_after_ns": DEAD + 1,
            "awake_ns": OLD, "woken_ns": BORN + 2,
        },
        reset={"paths": dict, "left_ns": int, "fenced_incarnation": lambda: -1, "_lost_at_ns": int},
    ),
    Control: _fields(
        same="name lease", plain="suspended", hand="born_ns", reset={"rtt_ns": int},
        ages={"asked_ns": OLD, "steady_from_ns": DEAD, "both_no_since_ns": DEAD, "peer_alone_since_ns": ALONE},
    ),
    Group: _fields(
        same="definition deadtime_ns facts written number digest",
        plain="phase manual released unplanned shutting settled contested",
        ages={
            "barrier_ns": OLD, "lapsed_ns": OLD, "opened_ns": OLD + 1, "passed_ns": OLD,
            "peer_control_ns": OLD, "peer_without_ns": OLD,
        },
        hand="token members probing then why agreed failbacks claim_ns isolated_ns peer_can_since_ns "
        "peer_control_beats backoff_ns left_until_ns",
        reset={
            "row": str, "licence": str, "failed": bool, "cleared": int, "barrier": int, "release_barrier": int,
            "held_epoch": int, "conflict_ns": int, "conflict_mac": str, "since_ns": int, "notes": list,
        },
    ),
    Token: _fields(plain="mine confirmed", hand="epoch"),
    Member: _fields(
        same="resource", plain="state operation", hand="op",
        reset={
            "failures": int, "failed_ns": tuple, "proved": bool, "doubts": int, "monitor_ns": int, "tries": int,
            "retry_ns": int, "detail": str, "since_ns": int, "start_took_ns": int,
            "stop_took_ns": int,
        },
    ),
    Probing: _fields(
        same="ips deadtime_ns", plain="vetoed", ages={"machine_asked_ns": DEAD + 1, "neighbour_asked_ns": LEASE + 1},
        hand="asked asked_at_ns next_ns round_end_ns round_begun_ns silent_from_ns peer_answered_ns machine bases",
        reset={
            "peer_ever_answered": bool, "expected_rounds": int, "foreign_from_ns": int, "foreign_rounds": int,
            "foreign_macs": tuple, "answered_macs": tuple,
        },
    ),
}  # fmt: skip
FORGOTTEN = (LEASE, LEASE + 1, DEAD + 1)  # ages after which a time is as good as never


def unknown_fields() -> set[str]:
    """What the engine keeps and no list speaks of, or the other way round."""
    node = Node(Settings("light", "eth1"), 0)
    node.boot(NOW)
    assert node.heart is not None and node.engine is not None
    plain = {Heart: node.heart, Leases: node.heart.leases, Engine: node.engine}
    wrong: set[str] = set()
    for cls, known in FIELDS.items():
        real = [f.name for f in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else list(vars(plain[cls]))
        names = known.all()
        wrong |= {f"{cls.__name__}.{name}" for name in set(real) ^ set(names)}
        wrong |= {f"{cls.__name__}.{name} twice" for name in names if names.count(name) > 1}
    return wrong


def age(value: int, now: int, ticks: int) -> int | None:
    """0 is never; so is a proof that proves nothing any more."""
    if not value or (ticks in FORGOTTEN and value - now < -ticks * TICK):
        return None
    return max(value - now, -ticks * TICK)


def until(value: int, now: int) -> int | None:
    """A moment to come; what is over is as good as never."""
    return value - now if value > now else None


def time(code: int | None) -> int:
    return 0 if code is None else NOW + code


def put(cls: type, it: Any, now: int) -> Code:
    """Its ages and plain fields."""
    known = FIELDS[cls]
    return (
        *[age(getattr(it, name), now, ticks) for name, ticks in known.ages.items()],
        *[getattr(it, name) for name in known.plain],
    )


def get(cls: type, code: Code, like: Any) -> Any:
    """A new one; what is the same for all is taken from `like`, the fields by hand are missing."""
    known = FIELDS[cls]
    it: Any = object.__new__(cls)
    at = 0
    for name in known.ages:
        setattr(it, name, time(code[at]))
        at += 1
    for name in known.plain:
        setattr(it, name, code[at])
        at += 1
    for name in known.same:
        setattr(it, name, getattr(like, name))
    for name, make in known.reset.items():
        setattr(it, name, make())
    return it
