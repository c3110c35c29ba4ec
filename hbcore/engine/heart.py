"""Pulse's pure core: which beats count, what the next beat says of freshness, and how long each lease lasts.

Owns order, echo, nonce and replay of beats (safety.md 3), for how long a silent daemon is vouched for (7), and when a
machine may not speak because another one has its name; the leases themselves are leases.py's. Invariant: it beats if
and only if it vouches and renews; a beat that does not echo my nonce, or was seen before, changes nothing but which
nonce I echo. Must not know sockets, files, clocks, the table.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from enum import StrEnum

from hbcore.engine.beat import Beat, Frame, LifeKey, Mode, Stand, Words
from hbcore.engine.config import SECOND, Timing
from hbcore.engine.effects import Hold, Prove, Say
from hbcore.engine.events import Abandoned, Answered, Heard, Listened, Namesake, Stalled
from hbcore.engine.flows import Page
from hbcore.engine.lease import GONE_NS, HUNG_NS, lease_of
from hbcore.engine.leases import Answer, Leases, Renewed
from hbcore.engine.pulse_effects import AskPing, PulseEffect, Renew, Send, TakeOff, Tell

SENT_KEPT = 1024  # own beats whose send time is remembered
LIVES_KEPT = 64  # lives of the peer remembered for this boot
LAST_WORDS = 3  # how often the release of a dead daemon's groups is sent
LISTEN_BEATS = 2  # so long a machine that booted listens for its own name before it speaks
REFUSAL_NS = 2 * SECOND  # so often one that refuses says so
LONG_AGO = 1


class Class(StrEnum):
    """What a well-formed beat is to me; each datagram is counted in exactly one of these or of the codec's rejects."""

    ACCEPTED = "accepted"
    REPEAT = "repeat"  # the same beat by another link
    OWN = "own"  # my own multicast copy
    NAMESAKE = "namesake"  # another machine's, that has my name
    REPLAYED = "replayed"
    UNPROVEN = "unproven"  # does not echo my nonce
    LISTED = "listed"  # no beat, but a page of the peer's connections (flows.py)


@dataclass(slots=True)
class Life:
    """One life of the peer's pulse: its nonce and the highest seq by link."""

    nonce: int
    seq: int = 0
    heard_ns: int = 0
    by_link: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Legacy:
    """All that a heart knows, for one that goes on in its place: the same life, so that nobody notices."""

    incarnation: int
    generation: int
    nonce: int
    seq: int
    sent: dict[int, int]
    words: Words | None
    lives: tuple[tuple[LifeKey, Life], ...]
    current: LifeKey | None
    heard_ns: int
    echo_ns: int
    asked: dict[str, int]
    left: bool
    released: dict[str, int]
    leases: dict[str, Renewed]
    speaks_ns: int = LONG_AGO
    proved_ns: int = LONG_AGO


class Heart:
    """`me`: my index in the sorted node names. `nonce`: drawn by the caller, not 0. `pings`: asked once a keepalive.

    `resumed`: another pulse died and left groups behind; they are held on by what can be proved at once, without grace.
    `guard`: why the kernel gives no guard, "" where it does. `refused`: a machine that has my name was there before me;
    for good. `namesake`: when one was last heard, and its MACs; `beside`: the same of a life of the peer's name that
    came while the present one lives.
    """

    def __init__(
        self, *, me: int, cluster: bytes, incarnation: int, generation: int, nonce: int, timing: Timing,
        pings: tuple[str, ...], now_ns: int, resumed: bool = False, guard: str = "none",
    ) -> None:  # fmt: skip
        self.lease = lease_of(timing)
        self.nonce = nonce
        self.heard_ns = 0
        self.leases = Leases(self.lease, grace_ns=0 if resumed else self.lease.lease_ns, guard=guard)
        self.released: dict[str, int] = {}
        self.refused = False
        self.namesake: tuple[int, tuple[bytes, ...]] = (0, ())
        self.beside: tuple[int, tuple[bytes, ...]] = (0, ())
        self._me, self._cluster = me, cluster
        self._incarnation, self._generation = incarnation, generation
        self._timing = timing
        self._pings = dict.fromkeys(pings, now_ns)
        self._asked: dict[str, int] = {}
        self._echo_ns = 0
        self._left = False
        self._words: Words | None = None
        self._lives: OrderedDict[LifeKey, Life] = OrderedDict()
        self._current: LifeKey | None = None
        self._candidate: tuple[LifeKey, Life] | None = None
        self._sent: OrderedDict[int, int] = OrderedDict()
        self._seq = 0
        self._met_ns = 0
        self._speaks_ns = LONG_AGO if resumed else 0  # from when on it may; 0: the daemon's first words are to come
        self._proved_ns = self._speaks_ns  # when the peer first proved that it hears me, 0: never
        self._next_beat_ns = now_ns
        self._expected_ns = 0
        self._alive_ns = 0
        self._woken_ns = 0
        self._told_ns = now_ns
        self._gone_ns = 0
        self._connected = False
        self._last_words = 0
        self._vouched = False

    def leave(self) -> Legacy:
        """For the heir; this one is not to beat or renew any more. The heir of one that refused listens for its name
        again, as a machine that booted.
        """
        words, speaks_ns, proved_ns = self._words, self._speaks_ns, self._proved_ns
        if self.refused:
            words, speaks_ns, proved_ns = None, 0, 0
        return Legacy(
            self._incarnation, self._generation, self.nonce, self._seq, dict(self._sent), words,
            tuple(self._lives.items()), self._current, self.heard_ns, self._echo_ns, dict(self._asked), self._left,
            dict(self.released), dict(self.leases.by_group), speaks_ns, proved_ns,
        )  # fmt: skip

    def inherit(self, legacy: Legacy, now_ns: int) -> None:
        """Go on as that one: its daemon ended just now, and is vouched for as any that ended."""
        self._incarnation, self._generation, self.nonce = legacy.incarnation, legacy.generation, legacy.nonce
        self._seq, self._words, self._current = legacy.seq, legacy.words, legacy.current
        self._sent, self._lives = OrderedDict(legacy.sent), OrderedDict(legacy.lives)
        self.heard_ns, self._echo_ns, self._left = legacy.heard_ns, legacy.echo_ns, legacy.left
        self._asked, self.released = dict(legacy.asked), dict(legacy.released)
        self._speaks_ns, self._proved_ns = legacy.speaks_ns, legacy.proved_ns
        self._gone_ns = now_ns
        self._vouched = self.vouches(now_ns)
        self.leases.inherit(legacy.leases)

    # -- beats heard ---------------------------------------------------------------------------------------------------

    def hear(self, link: str, at_ns: int, beat: Beat) -> tuple[Class, Tell | None]:
        """Judge one well-formed beat; the event for the daemon where it counts."""
        frame = beat.frame
        if frame.node == self._me:
            return (Class.OWN, None) if self._is_mine(beat) else (Class.NAMESAKE, self._meet(at_ns, beat))
        if self.refused:
            return Class.UNPROVEN, None  # the peer may answer, but I take no part
        key = frame.life
        if frame.your_nonce != self.nonce:
            self._unproven(beat, at_ns)
            return Class.UNPROVEN, None
        life = self._lives.get(key)
        if life is None:
            if not self._may_begin(key, at_ns):
                return Class.REPLAYED, None
            life = self._lives[key] = Life(frame.nonce)
            while len(self._lives) > LIVES_KEPT:
                self._lives.popitem(last=False)
        elif key != self._current:
            return Class.REPLAYED, None  # a life that ended does not come back
        if frame.seq <= life.by_link.get(link, 0) or frame.seq + self._window() < life.seq:
            return Class.REPLAYED, None
        self._current, self._candidate = key, None
        life.by_link[link] = frame.seq
        repeat = frame.seq <= life.seq
        life.seq = max(life.seq, frame.seq)
        life.heard_ns = self.heard_ns = max(self.heard_ns, at_ns)
        self._proved_ns = self._proved_ns or at_ns
        echo_ns = self._sent.get(frame.echo_seq, 0)
        self._echo_ns = max(self._echo_ns, echo_ns)
        if not repeat:
            self._left = beat.words.mode is Mode.BYE
        self._told_ns = at_ns
        return (Class.REPEAT if repeat else Class.ACCEPTED), Tell(Heard(link, at_ns, beat, echo_ns, repeat))

    @property
    def life(self) -> LifeKey:
        """What the frames of my beats name."""
        return self._incarnation, self._generation, self.nonce

    def whose(self, page: Page) -> Class:
        """LISTED where it is of the peer's present life, which has proved itself by its beats."""
        if page.node == self._me:
            return Class.OWN
        if page.life == self._current:
            return Class.LISTED
        return Class.REPLAYED if page.life in self._lives else Class.UNPROVEN

    def _is_mine(self, beat: Beat) -> bool:
        """Of this life of mine, or of an older one: recordings of it name no card but mine."""
        if beat.frame.nonce == self.nonce:
            return True
        mine = set(self._words.macs) if self._words else set()
        return not mine or mine.issuperset(beat.words.macs)

    def _meet(self, at_ns: int, beat: Beat) -> Tell | None:
        """Two machines of one name. One that holds nothing and has not been heard by the peer yet, or only just, is the
        newcomer, be it that its network came up late: it refuses, for good. One that takes part goes on, and nothing
        new is begun while it hears the other take part.
        """
        self.namesake = at_ns, beat.words.macs
        if beat.words.mode is Mode.REFUSED:
            return None
        heard = self._proved_ns and at_ns - self._proved_ns >= self._timing.deadtime_ns
        refused = self.refused or not (heard or self.leases.by_group) or not self._may_speak(at_ns)
        if refused is self.refused and at_ns - self._met_ns < self._timing.keepalive_ns:
            return None  # a flood of them is no more than one
        self.refused, self._met_ns = refused, at_ns
        return Tell(Namesake(at_ns, refused))

    def _window(self) -> int:
        """How far another link may lag behind: the beats of two deadtimes."""
        return 2 * self._timing.deadtime_ns // self._timing.keepalive_ns

    def _may_begin(self, key: LifeKey, at_ns: int) -> bool:
        """Only after the present one fell silent: a newer one for as long as who boots listens, so that a copy of a
        machine that lives is not followed; an older one (a reinstalled node) for D.
        """
        if self._current is None:
            return True
        newer = key[:2] > self._current[:2]
        silent_ns = LISTEN_BEATS * self._timing.keepalive_ns if newer else self._timing.deadtime_ns
        return at_ns - self._lives[self._current].heard_ns >= silent_ns

    def _unproven(self, beat: Beat, at_ns: int) -> None:
        """Remember whose nonce to echo, so that a fresh peer can prove itself."""
        frame = beat.frame
        if frame.life in self._lives:
            return
        if self._may_begin(frame.life, at_ns):
            self._candidate = (frame.life, Life(frame.nonce, frame.seq, at_ns))
        else:
            self.beside = at_ns, beat.words.macs

    @property
    def silence_ns(self) -> int:
        """For a daemon that comes now: since when the peer's silence counts (0 = it was never heard). A stop of our own
        that ended after its newest beat is none of it.
        """
        return max(self.heard_ns, self._woken_ns) if self.heard_ns else 0

    @property
    def asked_ns(self) -> dict[str, int]:
        """For a daemon that comes now: send time of the newest request that each ping node answered."""
        return dict(self._asked)

    # -- what the daemon says ------------------------------------------------------------------------------------------

    def daemon_came(self, now_ns: int) -> None:
        self._connected, self._alive_ns, self._gone_ns = True, now_ns, 0

    def daemon_went(self, now_ns: int) -> None:
        if self._connected:
            self._connected, self._gone_ns = False, now_ns

    def obey(self, now_ns: int, message: Say | Hold | Prove) -> list[PulseEffect]:
        """Words, leases and evidence from the daemon; an urgent word goes out at once."""
        self._alive_ns = now_ns
        match message:
            case Say(words, urgent):
                self._listen(now_ns, words)
                self._words, self._last_words = words, 0
                self.released.clear()
                return self._beat(now_ns) if urgent and self.vouches(now_ns) else []
            case Hold(held, unsure):
                return self.leases.hold(now_ns, held, unsure)
            case Prove(group, kind, asked_ns):
                self.leases.prove(group, kind, asked_ns)
        return []

    def gated(self, now_ns: int, renew: Renew, answer: Answer) -> list[PulseEffect]:
        """What the kernel made of a Renew."""
        return self.leases.answered(now_ns, renew, answer)

    def watch(self, pings: tuple[str, ...], now_ns: int) -> None:
        """Ask these as well (a group's gateway, found by the daemon)."""
        for name in pings:
            self._pings.setdefault(name, now_ns)

    def answered(self, event: Answered) -> Tell:
        self._told_ns = event.at_ns
        self._asked[event.ping] = max(self._asked.get(event.ping, 0), event.sent_ns)
        return Tell(event)

    # -- time ----------------------------------------------------------------------------------------------------------

    def timer(self, now_ns: int) -> list[PulseEffect]:
        """Call after everything queued was read: stalls, vouching, leases, beats and pings that are due."""
        out: list[PulseEffect] = []
        if self._expected_ns and now_ns - self._expected_ns > self._timing.keepalive_ns:
            out.append(Tell(Stalled(self._expected_ns, now_ns)))
            self._woken_ns = now_ns
            # I did not listen: that is not the daemon's silence; nor is it a sign of life to come
            self._alive_ns = min(now_ns, self._alive_ns + now_ns - self._expected_ns)
        vouches = self.vouches(now_ns)
        if self._vouched and not vouches:
            out += self._abandon()
        self._vouched = vouches
        out += self.leases.mend(now_ns)
        if vouches and not self.refused:
            out += self._renew(now_ns)
        if now_ns >= self._next_beat_ns:
            if vouches or self._last_words:
                out += self._beat(now_ns)
                self._last_words = max(0, self._last_words - 1)
            self._next_beat_ns = now_ns + REFUSAL_NS if self.refused else self._following(self._next_beat_ns, now_ns)
            if now_ns - self._told_ns >= self._timing.keepalive_ns:
                out.append(Tell(Listened(now_ns)))
        for name, due_ns in self._pings.items():
            if now_ns >= due_ns:
                self._pings[name] = self._following(due_ns, now_ns)
                out.append(AskPing(name))
        self._expected_ns = self.next_deadline(now_ns)
        return out

    def _following(self, due_ns: int, now_ns: int) -> int:
        """The next time of a steady rhythm; times that were missed are not made up for."""
        keepalive = self._timing.keepalive_ns
        return max(due_ns + keepalive, now_ns + keepalive // 2)

    def vouches(self, now_ns: int) -> bool:
        """The daemon is fresh: alive within 5 s, or gone for less than 1 s (a restart adopts what runs)."""
        if self._connected:
            return self._words is not None and now_ns - self._alive_ns < HUNG_NS
        return self._gone_ns > 0 and self._words is not None and now_ns - self._gone_ns < GONE_NS

    def _renew(self, now_ns: int) -> list[PulseEffect]:
        return self.leases.renew(now_ns, self._echo_ns, self._asked, left=self._left)

    def _abandon(self) -> list[PulseEffect]:
        """The daemon is gone or hung: light groups are shut and released, heavy ones go on unmanaged; last words."""
        assert self._words is not None
        light = self.leases.light()
        groups = []
        for word in self._words.groups:
            if word.group in light and word.stand is Stand.HOLDS:
                self.released[light[word.group]] = word.epoch + 1
                word = replace(word, stand=Stand.RELEASED, epoch=word.epoch + 1)
            groups.append(replace(word, ready=False))
        self._words = replace(self._words, mode=Mode.UNMANAGED, groups=tuple(groups))
        self._last_words = LAST_WORDS
        self.leases.drop()
        return [TakeOff(tuple(light.values())), Tell(Abandoned(tuple(self.released.items())))]

    def _listen(self, now_ns: int, words: Words) -> None:
        """From its first words on, and again once it knows its own cards."""
        if not self._may_speak(now_ns) and (self._words is None or words.services != self._words.services):
            self._speaks_ns = self._next_beat_ns = now_ns + LISTEN_BEATS * self._timing.keepalive_ns

    def _may_speak(self, now_ns: int) -> bool:
        return 0 < self._speaks_ns <= now_ns

    def _beat(self, now_ns: int) -> list[PulseEffect]:
        """One that refuses echoes nobody, so that it proves nothing to anybody."""
        assert self._words is not None
        if not self.refused and not self._may_speak(now_ns):
            return []
        self._seq += 1
        self._sent[self._seq] = now_ns
        while len(self._sent) > SENT_KEPT:
            self._sent.popitem(last=False)
        life = None if self.refused else self._echoed()
        frame = Frame(self._cluster, self._me, self._incarnation, self._generation, self._seq, self.nonce)
        if life is not None:
            age_us = min(2**32 - 1, max(0, now_ns - life.heard_ns) // 1000)
            frame = replace(frame, your_nonce=life.nonce, echo_seq=life.seq, echo_age_us=age_us)
        age_ms = min(65535, max(0, now_ns - self._alive_ns) // 1_000_000)
        words = replace(self._words, engine_age_ms=age_ms)
        if self.refused:
            words = replace(words, mode=Mode.REFUSED, groups=(), rules=())
        return [Send(Beat(frame, words))]

    def _echoed(self) -> Life | None:
        """Whose nonce the next beat echoes: the present life's; every other time that of one which wants to prove
        itself, so that strangers with the key cannot come between two nodes that hear each other."""
        present = self._lives[self._current] if self._current else None
        if self._candidate and (present is None or self._seq % 2):
            return self._candidate[1]
        return present

    def say_bye(self, now_ns: int) -> list[PulseEffect]:
        """One more copy of the last words: sent a few times before a clean exit."""
        return self._beat(now_ns) if self._words is not None else []

    def next_deadline(self, now_ns: int) -> int:
        """When timer() is due at the latest (ns)."""
        times = [self._next_beat_ns, *self._pings.values()]
        times += self.leases.next_ns()
        if self._gone_ns and self._vouched:
            times.append(self._gone_ns + GONE_NS)
        return max(min(times), now_ns)
