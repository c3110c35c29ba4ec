"""The daemon's half of a node's tuple: the engine with all that it knows.

Owns how an Engine is taken apart and put together. Invariant: as codec.py's. Must not know pulse or the kernel.
"""

from __future__ import annotations

from hbcore.engine.beat import Words
from hbcore.engine.engine import Engine
from hbcore.engine.group import Group, Phase, Then, Token
from hbcore.engine.isolation import Control
from hbcore.engine.member import Member
from hbcore.engine.peer import PeerView
from hbcore.engine.probing import Probing
from hbcore.engine.world import World
from tests.model.beats import Beats
from tests.model.fields import BORN, COUNT, DEAD, EPOCH, LEASE, NOW, OLD, Code, age, get, put, time, until
from tests.model.node import LIFE, TICK, Settings

GRACE = 51  # ticks: longer than an isolated heavy group is left running (O7)
ENDS = (Phase.STOPPING, Phase.SHUT, Phase.BLOCKED)


class DaemonCodec:
    def __init__(self, settings: Settings, like: tuple[Engine, Engine], beats: Beats) -> None:
        self._settings, self._like, self._beats = settings, like, beats

    def put(self, engine: Engine, now: int, least: int) -> Code:
        world = engine.world
        (group,) = world.groups.values()
        peer = world.peer
        control = world.controls.get(self._settings.control)
        told = control is None or control.asked_ns
        known = bool(peer.heard_ns and peer.two_way_ns and told)  # then its own birth is not asked for any more
        assert peer.born_ns == peer.began_ns and (control is None or control.born_ns == peer.born_ns)
        return (
            max(engine._deadline_ns - now, -DEAD * TICK),
            put(World, world, now),
            put(PeerView, peer, now),
            None if known else age(peer.born_ns, now, BORN),
            peer.incarnation - LIFE if peer.incarnation else None,
            self._beats.put_words(peer.words, least) if peer.words.groups else None,
            None if control is None else put(Control, control, now),
            self._put_group(engine, group, now, least),
        )

    def get(self, code: Code, number: int) -> Engine:
        deadline, generic, peer_code, born, incarnation, words, control, group = code
        like, name = self._like[number], self._settings.control
        engine: Engine = get(Engine, (), like)
        engine._ops = engine._probes = COUNT
        engine._deadline_ns = NOW + deadline
        engine.world = world = get(World, generic, like.world)
        world.peer = peer = get(PeerView, peer_code, like.world.peer)
        peer.born_ns = peer.began_ns = NOW - BORN * TICK if born is None else time(born)
        peer.incarnation = 0 if incarnation is None else LIFE + incarnation
        peer.words = Words() if words is None else self._beats.get_words(words, 1 - number)
        peer.said = {word.group: word for word in peer.words.groups}
        world.controls = {} if control is None else {name: get(Control, control, like.world.controls[name])}
        for one in world.controls.values():
            one.born_ns = peer.born_ns
        world.groups = {self._settings.group.name: self._get_group(group, like.world, world)}
        return engine

    def _put_group(self, engine: Engine, group: Group, now: int, least: int) -> Code:
        token = group.token
        isolated = GRACE if group.owner and not group.light and group.phase is not Phase.IDLE else 0
        assert not group.failed and not group.release_barrier and group.barrier >= 0
        assert all(not m.failures and not m.tries for m in group.members)
        return (
            put(Group, group, now),
            (token.epoch - least, token.mine, token.confirmed),
            (group.then, group.why[0]) if group.phase in ENDS else None,
            group.agreed is not None,
            len(group.failbacks),
            age(group.claim_ns, now, OLD) if group.phase is Phase.CLAIMING else None,
            age(group.isolated_ns, now, isolated),
            None if engine.world.preferred(group) else age(group.peer_can_since_ns, now, OLD),
            min(2, group.peer_control_beats),
            until(group.backoff_ns, now),
            until(group.left_until_ns, now),
            tuple((m.state, m.operation if m.op else "", m.op - engine._ops if m.op else None) for m in group.members),
            self._put_probing(group.probing, now),
        )

    def _get_group(self, code: Code, like: World, world: World) -> Group:
        (
            generic,
            (epoch, *token),
            ends,
            agreed,
            failbacks,
            claim,
            isolated,
            can,
            beats,
            backoff,
            left,
            members,
            probing,
        ) = code
        (other,) = like.groups.values()
        group: Group = get(Group, generic, other)
        group.token = Token(EPOCH + epoch, *token)
        group.then, group.why = (Then.KEEP, ("", ())) if ends is None else (ends[0], (ends[1], ()))
        group.agreed = group.written if agreed else None
        group.failbacks = (world.unix_s(NOW),) * failbacks  # ten minutes are longer than any path
        group.claim_ns, group.isolated_ns = time(claim), time(isolated)
        group.peer_can_since_ns, group.peer_control_beats = time(can), beats
        group.backoff_ns, group.left_until_ns = time(backoff), time(left)
        group.members = []
        for (state, operation, op), old in zip(members, other.members, strict=True):
            member: Member = get(Member, (state, operation), old)
            member.op = 0 if op is None else COUNT + op
            group.members.append(member)
        group.probing = self._get_probing(probing, other.probing)
        return group

    def _put_probing(self, p: Probing, now: int) -> Code:
        end = age(p.round_end_ns, now, LEASE)
        silent = None
        if p.silent_from_ns and (end is not None or p.vetoed):
            silent = age(p.silent_from_ns, now, DEAD if p.vetoed else 0)
        return (
            put(Probing, p, now),
            p.bases if p.asked else None,
            p.next_ns - now if p.next_ns > now + TICK else None,
            end,
            age(p.round_begun_ns, now, max(OLD, self._settings.calm + 1)),
            silent,
            end is not None and p.peer_answered_ns == p.round_end_ns,
            p.machine if end is not None else None,
        )

    def _get_probing(self, code: Code, like: Probing) -> Probing:
        generic, bases, after, end, begun, silent, answered, machine = code
        p: Probing = get(Probing, generic, like)
        p.bases = bases or ()
        p.asked, p.asked_at_ns = (COUNT, NOW) if bases is not None else (0, 0)
        p.next_ns = time(after)
        p.round_end_ns, p.round_begun_ns, p.silent_from_ns = time(end), time(begun), time(silent)
        p.peer_answered_ns = p.round_end_ns if answered else 0
        p.machine = machine
        return p
