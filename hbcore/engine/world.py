"""All that one node's engine knows: its configuration, the peer, its own network, the groups and the operator's rules.

Owns the state itself and what can be read off it (may this node run it, could the peer, what are the table's inputs).
Invariant: reading changes nothing. Must not decide.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from hbcore.engine.beat import Mode, Service, Stand, Verdict
from hbcore.engine.config import MS, SECOND, ClusterConfig
from hbcore.engine.effects import Note, Stored
from hbcore.engine.group import Group, Phase
from hbcore.engine.isolation import Control
from hbcore.engine.lease import Lease
from hbcore.engine.peer import PeerView
from hbcore.engine.rules import RuleBook
from hbcore.engine.table import Inputs, Peer

PERSIST_WAIT_NS = 200 * MS  # safety.md 8: a classic takeover does not wait longer for a full disk
FAILBACKS_LIMIT = 3
FAILBACKS_WINDOW_S = 600
NEIGHBOUR_FRESH_NS = 400 * MS  # four rounds
CARDS_KEPT = 16  # of this node, remembered over restarts
NAMESAKE = "namesake"  # code: another machine has this node's name


@dataclass(slots=True)
class World:
    """`wall_ns`: what to add to the engine's time to get unix time. `leaving`: SIGTERM was taken.

    `guard`: why the kernel does not guard the addresses here, "" where it does (events.Guarded). `listened_ns`: up to
    when pulse is known to have listened (0 = it never said). `answered`: what pulse knew of controls' answers when this
    daemon came (Heart.asked_ns). `namesake_ns`: when another machine of this node's name last took part; `refused`:
    that one was there before this one (events.Namesake). `former_macs`: this node's cards in earlier lives, as stored.
    """

    me: str
    config: ClusterConfig
    lease: Lease
    peer: PeerView
    groups: dict[str, Group]
    book: RuleBook
    controls: dict[str, Control] = field(default_factory=dict)
    services: tuple[Service, ...] = ()
    peer_macs: tuple[bytes, ...] = ()
    peer_bases: tuple[str, ...] = ()
    former_macs: tuple[bytes, ...] = ()
    wall_ns: int = 0
    leaving: bool = False
    left: bool = False
    config_differs: bool = False
    guard: str = "unknown"
    listened_ns: int = 0
    namesake_ns: int = 0
    refused: bool = False
    answered: dict[str, int] = field(default_factory=dict)
    announce: set[str] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)
    version: str = ""
    config_digest: int = field(init=False)

    def __post_init__(self) -> None:
        self.config_digest = self.config.digest()

    def deaf(self, now_ns: int) -> bool:
        """Pulse stands still: silence says nothing, and no lease is kept for what would be begun."""
        return self.listened_ns > 0 and now_ns - self.listened_ns > self.lease.lease_ns

    def unix_s(self, now_ns: int) -> int:
        return (now_ns + self.wall_ns) // SECOND

    @property
    def own_macs(self) -> tuple[bytes, ...]:
        return tuple(s.mac for s in self.services)

    @property
    def member_macs(self) -> tuple[bytes, ...]:
        """Whoever answers from one of these is of this cluster; () = the peer's were never learned. A card that was
        this node's in an earlier life and answers now is in the machine that this one is a copy of (decision 14).
        """
        own = self.own_macs
        gone = tuple(mac for mac in self.former_macs if mac not in own)
        return (*self.peer_macs, *gone) if self.peer_macs else ()

    def mode(self, now_ns: int) -> Mode:
        if self.refused:
            return Mode.REFUSED
        if self.left:
            return Mode.BYE
        if self.leaving:
            return Mode.LEAVING
        if all(g.phase is Phase.PROBING for g in self.groups.values()):
            return Mode.JOINING  # later, what is not known says so group by group
        return Mode.STANDBY if self.standby(self.me, now_ns) else Mode.ONLINE

    def standby(self, node: str, now_ns: int) -> bool:
        return self.book.value("mode", node) == "standby"

    def wanted(self, group: str, now_ns: int) -> bool:
        return self.book.value("run", group) != "stopped"

    def pin(self, group: str, now_ns: int) -> str:
        return self.book.value("pin", group)

    def home(self, group: Group) -> str:
        return group.definition.prefer[0]

    def preferred(self, group: Group) -> bool:
        return self.home(group) == self.me

    def ask(self, name: str, now_ns: int) -> None:
        """A control more; what pulse knows of its answers is known from the beginning, but that it is steady."""
        asked_ns = self.answered.get(name, 0)
        self.controls[name] = Control(name, self.lease, now_ns, asked_ns, steady_from_ns=now_ns)

    def verdict(self, group: Group, now_ns: int) -> Verdict:
        control = self.controls.get(group.facts.control)
        return Verdict.NONE if control is None else control.verdict(now_ns)

    def mismatch(self, group: Group) -> bool:
        """The peer's definition of the group is another one (or it has none)."""
        if not self.peer.words.groups and not self.peer.words.config:
            return False
        word = self.peer.word(group.number)
        return word is None or word.digest != group.digest

    # -- who could run it ----------------------------------------------------------------------------------------------

    def cannot_here(self, group: Group, now_ns: int, but: Container[str] = ()) -> str:
        """Code of what keeps the group from starting on this node, "" = nothing. `but`: these do not count."""
        return next((code for code in self._obstacles_here(group, now_ns) if code not in but), "")

    def cannot_peer(self, group: Group, now_ns: int, but: Container[str] = ()) -> str:
        """Code of what keeps the group from a planned move to the peer, "" = nothing. `but`: these do not count."""
        return next((code for code in self._obstacles_there(group, now_ns) if code not in but), "")

    def _obstacles_here(self, group: Group, now_ns: int) -> Iterator[str]:
        if self.refused or (self.namesake_ns and now_ns - self.namesake_ns <= self.lease.deadtime_ns):
            yield NAMESAKE
        if self.leaving:
            yield "leaving"
        if not self.wanted(group.name, now_ns):
            yield "stopped-by-operator"
        if self.standby(self.me, now_ns):
            yield "standby-here"
        if group.failed:
            yield "start-failed-here"
        if group.facts.problem:
            yield group.facts.problem
        if self.mismatch(group) and group.agreed is None:
            yield "config-differs"

    def _obstacles_there(self, group: Group, now_ns: int) -> Iterator[str]:
        state = self.peer.state(now_ns)
        if state is not Peer.TWO_WAY:
            yield {Peer.BYE: "peer-left", Peer.LOST: "peer-lost"}.get(state, "peer-not-two-way")
        standby = self.standby(self.peer.name, now_ns) or self.peer.words.mode is Mode.STANDBY
        if standby:
            yield "peer-standby"
        elif self.peer.words.mode is not Mode.ONLINE:
            yield "peer-not-ready"
        word = self.peer.word(group.number)
        if word is None or self.mismatch(group):
            yield "config-differs"
        if word is None:
            return
        if word.failed:
            yield "start-failed-peer"
        elif not word.ready and not standby:
            yield "peer-not-ready"
        if word.control is Verdict.NO and self.verdict(group, now_ns) is Verdict.OK:
            yield "peer-isolated"

    # -- the table's inputs --------------------------------------------------------------------------------------------

    def inputs(self, group: Group, now_ns: int) -> Inputs:
        state = self.peer.state(now_ns)
        machine = self._machine(group, now_ns)
        if self.peer.left_long_ago(now_ns) and not group.owner:
            state = Peer.LOST  # then its addresses are asked first; its machine may well answer, but runs nothing
            machine = machine if not group.definition.addresses else False
        word = self.peer.word(group.number)
        stand = word.stand if word is not None else Stand.NONE
        epoch = word.epoch if word is not None else 0
        control = self.controls.get(group.facts.control)
        steady = control is None or control.steady(now_ns)
        return Inputs(
            peer=state,
            control=self.verdict(group, now_ns),
            vip=group.probing.vip(now_ns),
            machine=machine,
            light=group.light,
            token=group.token.mine,
            released=self.released(group, now_ns),
            control_steady=steady,
            peer_holds=stand is Stand.HOLDS,
            peer_claims=stand is Stand.CLAIMS,
            claim_knows=epoch >= group.token.epoch,
            peer_outranks=(epoch, not self.preferred(group)) > (group.token.epoch, self.preferred(group)),
            peer_control_beats=group.peer_control_beats,
            peer_ready=word is not None and word.ready and not word.failed,
            base_answers=now_ns - group.probing.machine_asked_ns <= self.lease.lease_ns
            and group.probing.machine_asked_ns > 0,
            neighbour=self.neighbour(group, now_ns),
            settled=group.settled,
            one_way_steady=self.peer.not_two_way_ns(now_ns) >= max(self.lease.deadtime_ns, self.peer.deadtime_ns),
            fenced=self.peer.fenced and state is Peer.LOST,
            peer_known=bool(self.peer_macs),
            just_released=now_ns < group.left_until_ns,
        )

    def network_proved_ns(self, group: Group, now_ns: int) -> int:
        """When it was last asked what proves that the group's network is heard here: control, or in suspension a
        neighbour. A control that may still count as ok (for L) may have been dead since the address fell silent."""
        control = self.controls.get(group.facts.control)
        if control is None:
            return now_ns  # nothing can be asked (H3)
        return max(control.asked_ns, group.probing.neighbour_asked_ns if control.suspended else 0)

    def neighbour(self, group: Group, now_ns: int) -> bool:
        asked = group.probing.neighbour_asked_ns
        return asked > 0 and now_ns - asked <= NEIGHBOUR_FRESH_NS

    def _machine(self, group: Group, now_ns: int) -> bool | None:
        """M. Where a machine cannot be asked (nothing learned of it, no interface) it counts as alive: that only
        withholds. One that answered is alive until it was silent for D, as after a veto.
        """
        probing = group.probing
        if not self.peer_bases or not group.facts.device:
            return True
        if probing.machine_asked_ns and now_ns - probing.machine_asked_ns <= self.lease.deadtime_ns:
            return True
        return probing.machine if probing.fresh(now_ns) else None

    def released(self, group: Group, now_ns: int) -> bool:
        """S2: the peer gave it up with a higher epoch than I know, or left cleanly just now.

        A release is taken where it is surely younger than D: so long its giver does not claim it back
        (tokens.leave_to_peer). One from a slow wire, or that waited while I stood still, is none.
        """
        state = self.peer.state(now_ns)
        if state is Peer.BYE:
            return not group.owner and not self.peer.left_long_ago(now_ns)
        word, mine_ns = self.peer.word(group.number), self.lease.deadtime_ns
        return (
            state in (Peer.TWO_WAY, Peer.ONE_WAY)
            and now_ns - self.peer.said_after_ns <= min(mine_ns, self.peer.deadtime_ns or mine_ns)
            and word is not None
            and word.stand is Stand.RELEASED
            and word.epoch > group.token.epoch
        )

    def stored(self) -> Stored:
        own = tuple(dict.fromkeys((*self.own_macs, *self.former_macs)))[:CARDS_KEPT]
        groups = tuple(group.stored() for group in self.groups.values())
        return Stored(groups, self.book.all(), self.peer_macs, self.peer_bases, own)
