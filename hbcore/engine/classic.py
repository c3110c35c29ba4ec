"""Two-node classic mode: carries out what the table says for each group.

Owns claims, hand-overs, yields and heals. Invariant: a group starts here only with a confirmed token, and a claim is
made only where a row of the table licensed it; tokens themselves are changed in `tokens`.
Must not know agents, files or sockets; it only changes the world and the groups' sequences.
"""

from __future__ import annotations

from collections.abc import Callable

from hbcore.engine import tokens
from hbcore.engine.beat import Stand, Verdict
from hbcore.engine.config import SECOND
from hbcore.engine.group import Group, Phase, Then
from hbcore.engine.placement import damped, place
from hbcore.engine.table import Act, Inputs, Peer, Row, Vip, control_lasts, decide
from hbcore.engine.world import World

HEAVY_GRACE_NS = 5 * SECOND  # O7: an isolated heavy group is stopped after this


def evaluate(world: World, group: Group, now_ns: int) -> None:
    """One look at one group."""
    if group.phase is Phase.PROBING:
        if group.busy or not group.probed():
            return
        tokens.adopt(world, group, now_ns)
    inputs = world.inputs(group, now_ns)
    before = group.standing
    _watch_peer(world, group, inputs, now_ns)
    if not world.leaving:
        tokens.learn(world, group, inputs, now_ns)
    _finish(world, group, inputs, now_ns)
    if world.leaving:
        _leave(world, group, now_ns)
        return
    chosen = _choose(world, group, now_ns)
    if group.phase is Phase.PROBING:
        return
    if chosen or group.standing != before:
        inputs = world.inputs(group, now_ns)
    row = decide(group.owner, inputs)
    group.row = row.name
    if group.owner:
        OWNER_ACTS[row.act](world, group, inputs, now_ns)
    else:
        _other(world, group, inputs, row, now_ns)


# -- what follows from hearing, whatever the table says ----------------------------------------------------------------


def looked_as_owner(world: World, group: Group, now_ns: int) -> None:
    """An owner asked who else has its address: a foreign host is a conflict, a peer that says that it has not a reason
    to stop; what it said before it was lost, or while the question was under way, says nothing.
    """
    probing = group.probing
    if probing.foreign_macs:
        group.conflict(now_ns, probing.foreign_macs[0])
    after = probing.round_begun_ns >= group.barrier_ns  # an answer from before I took it was the owner's, and right
    if after and probing.peer_answered_ns and probing.peer_answered_ns == probing.round_end_ns:
        said_no = 0 < group.peer_without_ns <= probing.round_begun_ns and world.peer.state(now_ns) is not Peer.LOST
        if said_no and group.phase in (Phase.STARTING, Phase.RUNNING, Phase.MENDING):
            group.note("peer-answers", "error", "failure", peer=world.peer.name)
            group.begin_stop(now_ns, Then.RELEASE, "peer-answers")


def _watch_peer(world: World, group: Group, i: Inputs, now_ns: int) -> None:
    """Clocks that run beside the table: settled, how long the peer could take it, control on both sides."""
    silent_ns = now_ns - world.peer.lost_at_ns() + world.lease.deadtime_ns
    if i.peer is not Peer.LOST:
        group.settled = False
    elif silent_ns >= world.lease.settled_ns and i.control_ok:
        group.settled = True
    can = not world.cannot_peer(group, now_ns) and world.peer.two_way_for_ns(now_ns) > 0
    if not can:
        group.peer_can_since_ns = 0
    elif not group.peer_can_since_ns:
        group.peer_can_since_ns = now_ns
    control = world.controls.get(group.facts.control)
    word = world.peer.word(group.number)
    if control is not None and i.peer is not Peer.TWO_WAY:
        control.both_no_since_ns = 0
    elif control is not None and word is not None:
        control.compare(now_ns, word.control)


def _finish(world: World, group: Group, i: Inputs, now_ns: int) -> None:
    """What follows a complete stop."""
    if group.phase is Phase.STOPPING and group.stopped:
        group.enter(Phase.IDLE, now_ns)
        group.note("group-stopped", kind="stop", why=group.why[0])
        if group.then is Then.RELEASE and group.owner and _release_now(world, group, i):
            tokens.release(world, group, now_ns)


def _release_now(world: World, group: Group, i: Inputs) -> bool:
    """A planned hand-over is only given to a peer that still listens; a lapse or an isolation is final."""
    return i.heard or group.why[0] in FINAL or world.leaving


FINAL = frozenset({"lapsed", "isolated", "one-way-claim", "peer-answers"})


def _choose(world: World, group: Group, now_ns: int) -> bool:
    """At rest a group goes by this node's files, or, while the peer's differ, by the definition both had last. True
    where that is another one now: host and network are to be asked about what would start, long before it has to.
    """
    definition = group.agreed if group.agreed is not None and world.mismatch(group) else group.written
    if group.phase is not Phase.IDLE or not group.stopped or definition == group.definition:
        return False
    group.use(definition)
    if not group.probed():
        group.enter(Phase.PROBING, now_ns)
    return True


def _leave(world: World, group: Group, now_ns: int) -> None:
    """SIGTERM: stop what runs, then give it away."""
    if group.phase in (*tokens.ACTIVE, Phase.SHUT):
        group.begin_stop(now_ns, Then.RELEASE, "leaving")
    elif group.phase is Phase.CLAIMING:
        group.settle_idle(now_ns)
    elif group.phase is Phase.IDLE and group.owner:
        tokens.release(world, group, now_ns)


# -- the owner's half --------------------------------------------------------------------------------------------------


def _keep(world: World, group: Group, i: Inputs, now_ns: int) -> None:
    group.isolated_ns = 0
    if i.peer is Peer.TWO_WAY and i.peer_holds and not group.contested:
        group.contested = True
        group.note("both-hold", "error", "failure", peer=world.peer.name)
    if group.phase is Phase.SHUT:
        _reopen_or_stop(world, group, i, now_ns)
        return
    where = place(world, group, now_ns)
    if where.node == world.me:
        unheard = i.peer in (Peer.LOST, Peer.ONE_WAY) or world.peer.left_long_ago(now_ns)
        unseen = unheard and (i.vip not in (Vip.FREE, Vip.NONE) or not control_lasts(i))
        if unseen:
            _leave_to_peer(world, group, i, now_ns)
        elif group.phase in (Phase.IDLE, Phase.FOUND) and may_start(world, group, now_ns):
            group.begin_start(now_ns)
        elif group.ailing:
            group.begin_mending(now_ns)
    elif where.node is None:
        if group.phase in tokens.ACTIVE:
            group.begin_stop(now_ns, Then.KEEP, where.code)
    elif group.phase is Phase.IDLE:
        _pass_on(world, group, where.code, now_ns)
    elif group.phase in tokens.ACTIVE:
        _hand_over(world, group, where.code, now_ns)


def may_start(world: World, group: Group, now_ns: int) -> bool:
    """Nothing keeps it from starting here; standby does not, where the peer is in standby too."""
    both = world.cannot_peer(group, now_ns) == "peer-standby"
    return not world.cannot_here(group, now_ns, but=("standby-here",) if both else ())


def _pass_on(world: World, group: Group, code: str, now_ns: int) -> None:
    """Give away the right to a group that does not run; not more than once in 2 D, should the nodes ever disagree."""
    if group.stopped and now_ns - group.passed_ns >= 2 * world.lease.deadtime_ns:
        group.passed_ns = now_ns
        tokens.release(world, group, now_ns)
        group.note("token-passed", kind="move", to=world.peer.name, why=code)


def _hand_over(world: World, group: Group, code: str, now_ns: int) -> None:
    if code == "failback" and group.unplanned:
        group.failbacks = (*group.failbacks, world.unix_s(now_ns))[-8:]
    group.note("moving", kind="move", to=world.peer.name, why=code)
    group.begin_stop(now_ns, Then.RELEASE, code)


def _reopen_or_stop(world: World, group: Group, i: Inputs, now_ns: int) -> None:
    """After a lapse only a two-way beat from after it, of a peer that neither holds nor claims, opens again."""
    clean = (
        i.peer is Peer.TWO_WAY and world.peer.two_way_ns > group.lapsed_ns and not i.peer_holds and not i.peer_claims
    )
    if clean and not group.busy:
        group.note("lapse-reopened", "warning", "start")
        group.begin_start(now_ns)
    elif now_ns - group.lapsed_ns >= world.lease.deadtime_ns:
        group.begin_stop(now_ns, Then.RELEASE, "lapsed")


def _await_lapse(world: World, group: Group, i: Inputs, now_ns: int) -> None:
    if group.phase is Phase.SHUT:
        _reopen_or_stop(world, group, i, now_ns)
    else:
        _leave_to_peer(world, group, i, now_ns)


def _leave_to_peer(world: World, group: Group, i: Inputs, now_ns: int) -> None:
    """Heard one way only, without the control it would need to start: the right goes to a peer that has one (O6)."""
    word = world.peer.word(group.number)
    able = word is not None and word.control is Verdict.OK and i.peer_ready
    if able and group.phase is Phase.IDLE and i.control is Verdict.NO and i.peer is Peer.ONE_WAY and i.one_way_steady:
        _pass_on(world, group, "isolated-handover", now_ns)


def _yield(world: World, group: Group, i: Inputs, now_ns: int) -> None:
    group.token.mine = group.token.confirmed = False
    group.token.epoch = tokens.peer_epoch(world, group)
    if group.phase is not Phase.IDLE:
        group.note("yielded", "error", "failure", peer=world.peer.name)
        group.begin_stop(now_ns, Then.YIELD, "yielded")


def _release_shut(world: World, group: Group, i: Inputs, now_ns: int) -> None:
    _stop_first(group, Then.RELEASE, "one-way-claim", now_ns)


def _stop_first(group: Group, then: Then, code: str, now_ns: int) -> None:
    if group.phase in (*tokens.ACTIVE, Phase.SHUT):
        group.note(code, "error", "failure")
        group.begin_stop(now_ns, then, code)


def _cut_off(world: World, group: Group, i: Inputs, now_ns: int) -> None:
    if group.phase in (*tokens.ACTIVE, Phase.SHUT):
        _hand_over(world, group, "isolated-handover", now_ns)
    elif group.phase is Phase.IDLE and not world.cannot_peer(group, now_ns):
        _pass_on(world, group, "isolated-handover", now_ns)


def _isolated(world: World, group: Group, i: Inputs, now_ns: int) -> None:
    """O7 with no neighbour either."""
    control = world.controls.get(group.facts.control)
    if control is not None and control.untold(now_ns):
        return
    group.isolated_ns = group.isolated_ns or now_ns
    if group.light or now_ns - group.isolated_ns >= HEAVY_GRACE_NS:
        _stop_first(group, Then.RELEASE, "isolated", now_ns)


OwnerAct = Callable[[World, Group, Inputs, int], None]
OWNER_ACTS: dict[Act, OwnerAct] = {
    Act.YIELD: _yield,
    Act.RELEASE: _release_shut,
    Act.HAND_OVER: _cut_off,
    Act.KEEP: _keep,
    Act.KEEP_ALARMED: _keep,
    Act.ISOLATED: _isolated,
    Act.AWAIT_LAPSE: _await_lapse,
}


# -- the other half ----------------------------------------------------------------------------------------------------


def _other(world: World, group: Group, i: Inputs, row: Row, now_ns: int) -> None:
    if row.act is Act.CLAIM and not blocked_claim(world, group, i, now_ns):
        _claim(world, group, i, now_ns)
    elif group.phase is Phase.CLAIMING:
        group.settle_idle(now_ns)
        group.note("claim-dropped", "warning", row=row.name)


def blocked_claim(world: World, group: Group, i: Inputs, now_ns: int) -> str:
    """Code of what keeps this node from a claim the table allows, "" = nothing."""
    if group.phase not in tokens.AT_REST:
        return "stopping"
    code = world.cannot_here(group, now_ns)
    if code:
        return code
    if now_ns < group.backoff_ns:
        return "rival-claim"
    word = world.peer.word(group.number)
    last_held = word is not None and word.stand is Stand.HOLDS
    behind = not world.preferred(group) and not last_held and not i.fenced
    if behind and _free_for_ns(world, i, now_ns) < world.lease.deadtime_ns:
        return "less-preferred-waits"
    return ""


def _free_for_ns(world: World, i: Inputs, now_ns: int) -> int:
    """For how long the more preferred node could have claimed: since the loss, or since D without being heard (S3)."""
    if i.peer is Peer.ONE_WAY:
        return world.peer.not_two_way_ns(now_ns) - world.lease.deadtime_ns
    return now_ns - world.peer.lost_at_ns()


def _claim(world: World, group: Group, i: Inputs, now_ns: int) -> None:
    """Announce intent for two beats while probing goes on, look again, then take it with a higher epoch."""
    if group.phase is not Phase.CLAIMING:
        group.claim_ns = now_ns
        group.enter(Phase.CLAIMING, now_ns)
        group.note("claiming", "warning", "move", row=group.row)
        return
    looked = i.vip is Vip.NONE or i.fenced or group.probing.round_begun_ns >= group.claim_ns
    heard_since = i.fenced or world.network_proved_ns(group, now_ns) >= group.claim_ns
    if now_ns - group.claim_ns < world.lease.claim_ns or not looked or not heard_since:
        return  # what was silent before the claim is silent because nobody has it, only if this network worked since
    if world.pin(group.name, now_ns) == world.peer.name:
        world.book.put("pin", group.name, "", now_s=world.unix_s(now_ns), by=world.me)
    tokens.take(world, group, max(group.token.epoch, tokens.peer_epoch(world, group)) + 1, now_ns, group.row)
    group.unplanned = not world.preferred(group)
    group.manual = group.manual or damped(world, group, now_ns)
    group.note("taken-over", "warning", "move", peer=world.peer.name)
    if group.probing.foreign_macs:
        group.conflict(now_ns, group.probing.foreign_macs[0])


def why_not(world: World, group: Group, now_ns: int) -> str:
    """Code of why this node does not run a group it does not own; "" where there is nothing to say."""
    i = world.inputs(group, now_ns)
    row = decide(False, i)
    match row.act:
        case Act.CLAIM:
            return blocked_claim(world, group, i, now_ns) or "claiming-now"
        case Act.VETO:
            return "vip-answers"
        case Act.WITHHOLD:
            return "control-lost" if i.control is Verdict.NO else "control-unsteady"
        case Act.BLOCK:
            return "machine-answers"
        case Act.CONFLICT:
            return "vip-foreign"
        case Act.WAIT:
            if i.peer is Peer.NEVER:
                return "initdead"
            if i.peer is Peer.ONE_WAY:
                return "one-way"
            return world.cannot_here(group, now_ns) or "probing" if i.peer is Peer.LOST else ""
    return ""
