"""The right to run a group: how a token is found, proved, taken, released and lost (safety.md 2).

Owns every change of a token. Invariant: it is only ever taken by a release to me, by a claim the table licensed, or by
what already ran at boot; a release raises the epoch above all that either node knew, and comes after a complete stop.
Must not know placement, the table's rows or agents.
"""

from __future__ import annotations

from hbcore.engine.beat import GroupWord, Mode, Stand, State
from hbcore.engine.group import Group, Phase, Then
from hbcore.engine.probing import ROUND_NS, VETO_PACE_NS
from hbcore.engine.table import Inputs, Peer
from hbcore.engine.world import World

ACTIVE = (Phase.RUNNING, Phase.STARTING, Phase.MENDING, Phase.FOUND)
AT_REST = (Phase.IDLE, Phase.CLAIMING, Phase.FOUND)


def adopt(world: World, group: Group, now_ns: int) -> None:
    """Boot: what already runs here counts as owned until the peer says better; a stored token alone does not."""
    running = group.running_members()
    group.settle_idle(now_ns)
    if running and group.released:
        group.begin_stop(now_ns, Then.YIELD, "abandoned")
    elif running and group.lapsed_ns:
        lapse(world, group, group.lapsed_ns, now_ns)
    elif running:
        group.note("group-found", kind="start", resources=", ".join(m.resource.name for m in running))


def abandoned(world: World, group: Group, epoch: int, now_ns: int) -> None:
    """Pulse gave the group away while this daemon showed no life: stop what is left of it."""
    group.token.mine = group.token.confirmed = False
    group.token.epoch = max(group.token.epoch, epoch)
    leave_to_peer(world, group, now_ns)
    if group.phase is not Phase.PROBING and group.phase is not Phase.IDLE:
        group.note("abandoned", "error", "failure")
        group.begin_stop(now_ns, Then.YIELD, "abandoned")


def lapse(world: World, group: Group, at_ns: int, now_ns: int, *, refused: bool = False) -> None:
    """Pulse could not renew: shut the addresses at once (safety.md 4, O6), whatever the group is doing.

    What was found running and is gated stays as it is: it is silent, and opened by the proof it waits for anyway.
    """
    if at_ns < group.opened_ns:
        return  # the lease before this one
    code = "lapsed-late" if refused else "lapsed"
    if group.phase is Phase.PROBING:
        group.lapsed_ns = now_ns  # taken up when it is known what runs
    elif group.phase is Phase.FOUND and group.gated and not world.guard:
        group.lapsed_ns = 0
        group.note("found-shut", "warning", "failure")
    elif group.phase in ACTIVE:
        if not group.owner:
            group.licence = "found"
        group.token.mine = group.token.confirmed = True  # a found one has to be released like any other
        group.lapsed_ns = now_ns
        group.note(code, "error", "failure")
        group.begin_stop(now_ns, Then.STAY_SHUT, "lapsed")
    elif group.phase in (Phase.STOPPING, Phase.BLOCKED) and not group.shutting:
        group.shutting = True
        group.why = ("lapsed", ())
        group.note(code, "error", "failure")


def learn(world: World, group: Group, i: Inputs, now_ns: int) -> None:
    """Tokens move by what the peer says: accept a release, confirm or drop a stored right, make the first release."""
    word = world.peer.word(group.number)
    token = group.token
    if not i.heard and i.peer is not Peer.BYE:
        return
    if word is None:
        if i.peer is Peer.BYE and not group.owner and group.phase in AT_REST:
            take(world, group, token.epoch + 1, now_ns, "bye")
        return
    if group.released and word.stand is Stand.HOLDS and word.epoch >= token.epoch:
        group.released = False
    at_rest = group.phase is Phase.IDLE and group.stopped
    if group.released and at_rest and not group.release_barrier and _stale_release(world, group, word):
        release(world, group, now_ns)
    if i.peer_holds and not group.owner:
        if word.epoch >= token.epoch:
            token.mine = False
            token.epoch = word.epoch
        if group.phase is Phase.FOUND and not token.mine:
            group.note("yielded", "error", "failure", peer=world.peer.name)
            group.begin_stop(now_ns, Then.YIELD, "yielded")
    elif world.released(group, now_ns) and group.phase in AT_REST:
        left = i.peer is Peer.BYE
        take(world, group, max(word.epoch, token.epoch + left), now_ns, "bye" if left else "release")
    elif i.peer is Peer.TWO_WAY and not i.peer_claims and not group.owner:
        _confirm(world, group, word)
        if group.owner and group.phase is Phase.CLAIMING:  # what it was going to claim is its own
            group.settle_idle(now_ns)
    if _nobody_has_it(world, group, i) and not world.preferred(group):
        release(world, group, now_ns)
    if group.owner and group.contested and i.peer is Peer.TWO_WAY and not i.peer_holds:
        group.contested = False
        group.note("contest-over", kind="other")
        world.announce.add(group.name)  # the engine announces the addresses again


def _confirm(world: World, group: Group, word: GroupWord) -> None:
    """The peer hears me and holds nothing: what was found running, or a stored right that is not older than what the
    peer knows, is mine. Of two equal ones the less preferred waits until the other would have spoken."""
    token = group.token
    if group.phase is Phase.FOUND:
        token.mine = token.confirmed = True
        token.epoch = max(token.epoch, word.epoch)
        group.licence = "found"
    elif token.mine and word.epoch > token.epoch:
        token.mine, token.epoch = False, word.epoch
    elif token.mine and word.state is not State.UNKNOWN:
        waited = world.peer.two_way_ns - world.peer.two_way_since_ns >= 3 * world.lease.keepalive_ns
        token.confirmed = word.epoch < token.epoch or world.preferred(group) or waited
        group.licence = "stored"


def _stale_release(world: World, group: Group, word: GroupWord) -> bool:
    """My release is not above what the peer knows, so it can never be taken (a disk was lost, or both released)."""
    peer_idle = word.stand is Stand.NONE or (word.stand is Stand.RELEASED and not world.preferred(group))
    return peer_idle and word.epoch >= group.token.epoch


def _nobody_has_it(world: World, group: Group, i: Inputs) -> bool:
    word = world.peer.word(group.number)
    return (
        i.peer is Peer.TWO_WAY
        and word is not None
        and word.stand is Stand.NONE
        and not group.token.mine
        and group.phase is Phase.IDLE
        and not group.released
        and not group.release_barrier
        and word.state is not State.UNKNOWN
        and world.peer.words.mode in (Mode.ONLINE, Mode.STANDBY)
    )


def take(world: World, group: Group, epoch: int, now_ns: int, licence: str) -> None:
    """The token is mine with this epoch; starting it waits for the disk (barrier set by the engine)."""
    group.licence = licence
    group.token.mine = group.token.confirmed = True
    group.token.epoch = epoch
    group.released = False
    group.barrier, group.barrier_ns = -1, now_ns
    group.probing.ask_now()
    group.settle_idle(now_ns)


def release(world: World, group: Group, now_ns: int) -> None:
    """My right ends, with a higher epoch than either of us knew; the peer hears of it once the disk has it."""
    assert group.stopped, "a release says that everything is stopped"
    group.held_epoch = group.token.epoch
    group.token.mine = group.token.confirmed = False
    group.token.epoch = max(group.token.epoch, peer_epoch(world, group)) + 1
    leave_to_peer(world, group, now_ns)
    group.release_barrier, group.barrier_ns = -1, now_ns
    group.unplanned = group.manual = False


def leave_to_peer(world: World, group: Group, now_ns: int) -> None:
    """Longer than anybody takes my release for one (World.released), so long it is neither claimed back nor asked for.

    A peer that had called me lost, and may not hear of it, finds out by the address, which it asks for once a second as
    long as it answers (S6); its claim comes first, too.
    """
    lease = world.lease
    unheard = now_ns - world.peer.said_after_ns > lease.deadtime_ns
    group.released = True
    group.left_until_ns = now_ns + lease.settled_ns + (VETO_PACE_NS + ROUND_NS if unheard else 0)


def peer_epoch(world: World, group: Group) -> int:
    word = world.peer.word(group.number)
    return word.epoch if word is not None else 0
