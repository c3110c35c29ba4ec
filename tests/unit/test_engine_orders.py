"""What an order's plan shows comes true, in each state, and nobody waits for what cannot come."""

from __future__ import annotations

import pytest

from tests.unit.duo import NAMES
from tests.unit.test_engine_plans import STATES, at, in_state, plans


@pytest.mark.parametrize("state", STATES)
def test_what_is_shown_comes_true(state: str) -> None:
    """Each different plan is carried out once, and everything comes to run where it is expected."""
    asked = 1 if state.endswith("off") else 0
    answers = plans(in_state(state), asked)
    if "beats cut" in state:
        del answers["fence node2"]  # it lives: the word would be false
    different = {(plan.lines, plan.sets): plan for plan in answers.values() if not plan.refused}
    assert len(different) > 1
    for plan in different.values():
        duo = in_state(state)
        order = plan.order
        assert duo.order(asked, order.verb, order.node, order.group, order.scope).expect == plan.expect
        duo.run(12)
        for group, node in plan.expect:
            runs, wanted = [group in one for one in at(duo)], [node == name for name in NAMES]
            if any(code == "may-start-there" for code, _ in plan.warnings):
                runs, wanted = [runs[asked]], [False]
            assert runs == wanted, (order, group, at(duo))
        engine = duo.boxes[asked].engine
        assert engine is not None
        (ticket,) = [t for t in engine.tickets.values() if t.expect == plan.expect][-1:]
        assert ticket.done_ns and not ticket.missing, order
        assert not duo.twice()
