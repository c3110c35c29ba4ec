"""A simulated run as lines a person reads.

Owns their layout. Invariant: one line for one thing that happened, in its order. Must not know worlds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hbcore.engine.config import SECOND
from hbcore.sim.draw import Plan
from hbcore.sim.world import BEGUN_NS, Happened
from hbcore.words import say


def lines(happened: Iterable[Happened]) -> Iterator[str]:
    """`seconds  who  sentence`."""
    listed = list(happened)
    width = max((len(one.who) for one in listed), default=0)
    for one in listed:
        yield f"{(one.at_ns - BEGUN_NS) / SECOND:9.3f}  {one.who or '*':{max(6, width)}} {sentence(one)}"


def sentence(one: Happened) -> str:
    named = dict(one.args)
    if "what" in named and one.code == "fault-ends":
        named["what"] = say(named["what"], **named)
    if "why" in named:
        cause = say(f"cause-{named['why']}")
        named["why"] = named["why"] if cause.startswith("cause-") else cause
    return say(one.code, **named)


def faults(plan: Plan) -> Iterator[str]:
    """Each fault of a plan, as its story would have it."""
    names = sorted(plan.config.nodes)  # as machines are numbered
    for fault in plan.faults:
        words = [f"{fault.at_ns / SECOND:.3f}", fault.kind, names[fault.node], fault.device, fault.detail]
        words += [f"ms {fault.amount}"] if fault.amount else []
        words += [f"for {fault.for_ns / SECOND:.3f}"] if fault.for_ns else []
        yield " ".join(word for word in words if word)
