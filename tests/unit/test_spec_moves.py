"""Cases of heartbeat's specification (tests/unit/cases.py): E9 standby and takeover by their sets, alone, in the middle
of something, and with a death meanwhile; E11 where groups are after reboots, with failback and without.

Two simulated nodes, both active. Sets are named from the viewpoint of the node that goes into standby (of the one that
takes over): local is what is at home there. What heartbeat did is in docs/heartbeat-cases.md.
"""

from __future__ import annotations

import pytest

from hbcore.engine.classic import why_not
from hbcore.engine.config import SECOND
from tests.unit.active import HOME, A, B, active, comes, held, once, stays, up
from tests.unit.duo import Duo

NONE: set[str] = set()
ALL = {"web", "ftp"}
FROM = {"each has its own": "", "node1 has all": A, "node2 has all": B}
HERE = {A: 0, B: 1}


def begin(where: str) -> Duo:
    duo = up()
    if FROM[where]:
        assert not duo.order(HERE[FROM[where]], "takeover", node=FROM[where]).refused
        duo.leap(1.5)
    return duo


def mirrored(duo: Duo) -> tuple[set[str], set[str]]:
    """As seen from node2: web and ftp, the one and the other node are changed for each other."""
    one, two = held(duo)
    change = {"web": "ftp", "ftp": "web"}
    return {change[name] for name in two}, {change[name] for name in one}


# what node1 says, and what is where afterwards; None: nothing of the set is here (there), and that is said
STANDBY = {
    ("each has its own", "all"): (NONE, ALL),
    ("each has its own", "local"): (NONE, ALL),
    ("each has its own", "foreign"): None,
    ("node1 has all", "all"): (NONE, ALL),
    ("node1 has all", "local"): ({"ftp"}, {"web"}),
    ("node1 has all", "foreign"): HOME,
    ("node1 has all", "failback"): HOME,  # as foreign
    ("node2 has all", "local"): None,
}
TAKEOVER = {
    ("each has its own", "all"): (ALL, NONE),
    ("each has its own", "foreign"): (ALL, NONE),
    ("each has its own", "local"): None,
    ("node2 has all", "all"): (ALL, NONE),
    ("node2 has all", "local"): HOME,
    ("node2 has all", "failback"): HOME,  # as local; in heartbeat it brought all
    ("node2 has all", "foreign"): ({"ftp"}, {"web"}),
}
ORDERS = [*(("standby", *key, after) for key, after in STANDBY.items()),
          *(("takeover", *key, after) for key, after in TAKEOVER.items())]  # fmt: skip


@pytest.mark.parametrize("node", [A, B])
@pytest.mark.parametrize(("verb", "where", "scope", "after"), ORDERS, ids=[f"{o[0]} {o[2]}, {o[1]}" for o in ORDERS])
def test_e9_each_set_from_each_side(
    verb: str, where: str, scope: str, after: tuple[set[str], set[str]] | None, node: str
) -> None:
    other = {A: B, B: A}[node]
    where = where.replace("node1", "this").replace("node2", "that").replace("this", node).replace("that", other)
    duo = begin(where)
    before = held(duo)
    plan = duo.order(HERE[node], verb, node=node, scope=scope)
    duo.leap(2)
    if after is None:
        assert plan.refused == {"standby": "nothing-to-move", "takeover": "all-here-already"}[verb]
        assert held(duo) == before
    else:
        assert not plan.refused and (held(duo) if node == A else mirrored(duo)) == after
    once(duo)


@pytest.mark.parametrize("scope", ["all", "local", "foreign", "failback"])
def test_e9_alone_nothing_is_given_to_nobody(scope: str) -> None:
    """heartbeat said yes, and after 10 s "No reply to standby request"."""
    duo = up()
    duo.power_off(1)
    comes(duo, ALL, NONE)
    assert duo.order(0, "standby", node=A, scope=scope).refused
    stays(duo, ALL, NONE, 3)


def test_e9_what_is_said_in_the_middle_of_a_move_is_not_dropped() -> None:
    """heartbeat dropped it ("other side is in flux"); here it is a rule, which is obeyed when its turn comes."""
    duo = up()
    for box in duo.boxes:
        box.start_ns = box.stop_ns = SECOND
    assert not duo.order(0, "standby", node=A, scope="local").refused
    duo.leap(0.5)
    assert held(duo)[1] == {"ftp"}  # web is still stopping
    assert not duo.order(1, "takeover", node=A, scope="foreign").refused  # the opposite, of the other group
    comes(duo, {"ftp"}, {"web"}, 15)
    stays(duo, {"ftp"}, {"web"}, 3)
    once(duo)


def test_e9_the_opposite_said_in_the_middle_counts() -> None:
    duo = up()
    duo.boxes[0].stop_ns = SECOND
    duo.order(0, "standby", node=A)
    duo.leap(0.5)
    assert not duo.order(0, "online", node=A).refused
    duo.leap(1)  # the stop that is under way comes to its end
    comes(duo, *HOME)
    stays(duo, *HOME, 3)
    once(duo)


# Stops and starts take a second each: asked and not heard yet, stopping, given and not taken, starting there.
MOMENTS = {"asked": 0.005, "stopping": 0.6, "given": 1.005, "starting": 1.5}


def dies_in_the_middle(who: int, moment: str, scope: str = "all") -> Duo:
    """node1 gives that set away, and one of the two loses its power at that moment."""
    duo = up()
    duo.boxes[0].stop_ns = duo.boxes[1].start_ns = SECOND
    assert not duo.order(0, "standby", node=A, scope=scope).refused
    duo.leap(MOMENTS[moment])
    duo.power_off(who)
    return duo


@pytest.mark.parametrize("moment", MOMENTS)
def test_e9_the_giver_dies_in_the_middle(moment: str) -> None:
    duo = dies_in_the_middle(0, moment)
    comes(duo, NONE, ALL, 3)
    once(duo)


@pytest.mark.parametrize("moment", MOMENTS)
def test_e9_the_taker_dies_in_the_middle_of_a_move_of_a_set(moment: str) -> None:
    """The move is cancelled, and the usual takeover follows."""
    duo = dies_in_the_middle(1, moment, scope="local")
    comes(duo, ALL, NONE, 5)
    once(duo)


@pytest.mark.parametrize("moment", MOMENTS)
def test_e9_the_taker_dies_while_the_whole_node_goes_into_standby(moment: str) -> None:
    """Standby lasts until `online` (safety.md 4), which heartbeat did not know; it is said why nothing runs."""
    duo = dies_in_the_middle(1, moment)
    duo.leap(10)
    engine = duo.boxes[0].engine
    assert held(duo) == (NONE, NONE) and engine is not None
    now = duo.boxes[0].machine.now
    assert {why_not(engine.world, g, now) for g in engine.world.groups.values()} == {"standby-here"}
    assert not duo.order(0, "online", node=A).refused
    comes(duo, ALL, NONE, 5)
    once(duo)


# -- E11: after a reboot -----------------------------------------------------------------------------------------------

# failback, what the operator said on node1 before, who reboots: where all is meanwhile, and in the end
REBOOTS = {
    (True, "", A): ((NONE, ALL), HOME),
    (True, "", B): ((ALL, NONE), HOME),
    (True, "local", A): ((NONE, ALL), (NONE, ALL)),  # a move is a pin, and stays until it is lifted ...
    (True, "local", B): ((ALL, NONE), HOME),  # ... or the node it names is lost
    (True, "all", A): ((NONE, ALL), (NONE, ALL)),  # standby lasts until `online`, over a reboot, too
    (True, "all", B): ((NONE, NONE), (NONE, ALL)),  # who is in standby takes nothing
    (False, "", A): ((NONE, ALL), (NONE, ALL)),
    (False, "", B): ((ALL, NONE), (ALL, NONE)),
    (False, "local", A): ((NONE, ALL), (NONE, ALL)),
    (False, "local", B): ((ALL, NONE), (ALL, NONE)),
    (False, "all", A): ((NONE, ALL), (NONE, ALL)),
    (False, "all", B): ((NONE, NONE), (NONE, ALL)),
}


@pytest.mark.parametrize(
    ("failback", "standby", "who"), REBOOTS, ids=[f"failback {f}, standby {s or 'none'}, {w}" for f, s, w in REBOOTS]
)
def test_e11_where_all_is_after_a_reboot(failback: bool, standby: str, who: str) -> None:
    meanwhile, end = REBOOTS[failback, standby, who]
    duo = up(active(failback=failback))
    if standby:
        assert not duo.order(0, "standby", node=A, scope=standby).refused
        comes(duo, NONE, ALL)
        duo.leap(2)
    duo.power_off(HERE[who])
    comes(duo, *meanwhile, 3)
    stays(duo, *meanwhile, 2)
    duo.boot(HERE[who])
    comes(duo, *end, 5)
    stays(duo, *end, 2)
    once(duo)
