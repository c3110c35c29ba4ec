"""The guard: virtual addresses that the kernel itself silences when nobody renews them.

Owns what is gated and what is open, in the kernel's tables (ruleset). Invariants: an address is gated shut; it opens
only by a swap that consumes a live ticket, and for a bounded time; once lapsed no renewal opens it again; nothing of
others is touched. Any number of processes may hold a Guard of one network namespace: the kernel keeps the state.
Must not know leases, groups or owners. Stays small: pulse imports it, and it never forks.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hbcore.engine.lease import timeout_ms
from hbcore.engine.leases import Answer
from hbcore.host import nft, ruleset
from hbcore.host.nft import Message
from hbcore.host.nftsocket import Asker, Refused
from hbcore.host.rtnl import packed
from hbcore.host.ruleset import TABLE, V4, V6, Set, Version

MS = 1_000_000
_TRIES = 8  # against others who change the same elements meanwhile, and against expiry in between


@dataclass(frozen=True, slots=True)
class Gate:
    """`neighbours_only`: ARP and NDP are gated, packets pass (LVS)."""

    ip: str
    neighbours_only: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """A place for one element."""

    set: Set
    key: bytes

    def taken(self, ms: int) -> Message:
        return nft.element(self.set.family, TABLE, self.set.name, self.key, ms)

    def lasting(self) -> Message:
        return nft.lasting_element(self.set.family, TABLE, self.set.name, self.key)

    def empty(self) -> Message:
        return nft.no_element(self.set.family, TABLE, self.set.name, self.key)


class Guard:
    """`trouble`: "", or the name of the errno that says why there is no guard here, or why the last call failed.

    After a call that went well it is "" again. No call waits but for the commit of another process; how long that can
    be is on the decisions' page. Addresses are given as text; one that is none raises OSError.
    """

    def __init__(self) -> None:
        self.trouble = ""
        self._generation = 0
        self._gates: dict[bytes, Gate] = {}
        self._asker: Asker | None = None
        try:
            self._asker = Asker()
            self._generation = self._now()
        except OSError as error:
            self._note(error.errno)
            return
        refused = self._commit(ruleset.anew(ruleset.REHEARSAL), rehearse=True)
        if refused:
            self._note(refused[0].code)

    def close(self) -> None:
        if self._asker is not None:
            self._asker.close()
        self._asker = None

    # -- gates ---------------------------------------------------------------------------------------------------------

    def install(self, gates: Iterable[Gate]) -> str:
        """Gate these addresses too, shut unless they are open now, and make or mend what they need. "" or an errno.

        In one transaction. Where what is there under our names is not ours, it goes, and with it what was open.
        """
        self._gates |= {_key(gate.ip): gate for gate in gates}  # also where it fails: then they do not stand
        if not self._gates:
            return self._fine()
        code = errno.EEXIST
        for build in (self._mended, self._mended, self._rebuilt):  # twice: somebody may change things meanwhile
            refused = self._commit(build())
            if refused:
                code = refused[0].code
                if refused[0].index < 0:
                    break
                continue
            try:
                if self._all_stands():
                    return self._fine()
            except OSError as error:
                return self._note(error.errno)
        return self._note(code)

    def lift(self, ips: Iterable[str]) -> str:
        """These addresses are gated no more; with the last gate of all processes the tables go. "" or an errno."""
        keys = {_key(ip) for ip in ips}
        code = errno.EAGAIN
        for _ in range(_TRIES):
            try:
                going, generation = self._without(keys)
            except OSError as error:
                return self._note(error.errno)
            refused = self._commit(going, generation) if going else []
            if not refused:
                self._gates = {key: gate for key, gate in self._gates.items() if key not in keys}
                return self._fine()
            code = refused[0].code
            if code not in (errno.ERESTART, errno.ENOENT):  # somebody else committed in between: look again
                break
        return self._note(code)

    def forget(self, ips: Iterable[str]) -> None:
        """Another process lifts these gates: they need not stand any more."""
        for ip in ips:
            self._gates.pop(_key(ip), None)

    def stands(self) -> bool:
        """Whether tables, chains, rules, sets and the gates that were installed here are as they were installed."""
        try:
            return not self._gates or self._all_stands()
        except OSError as error:
            self._note(error.errno)
            return False

    # -- opening -------------------------------------------------------------------------------------------------------

    def ticket(self, ips: Iterable[str], timeout_ns: int) -> Answer:
        """Begin a renewal or a claim: the swap that ends it is refused when this time is over."""
        return self._place([], [Spot(_version(key).ticket, key) for key in _keys(ips)], timeout_ns)

    def swap(self, ips: Iterable[str], remaining_ns: int, *, fresh: bool) -> Answer:
        """Consume the tickets, and leave each address open for that long from now; one transaction over all tables.

        Not `fresh`: only what is open now. Less than 1 ms is LAPSED, and not asked: a timeout of 0 would be for ever.
        """
        keys = _keys(ips)
        tickets = [Spot(_version(key).ticket, key) for key in keys]
        opened = _opens(keys)
        return self._place(tickets if fresh else tickets + opened, opened, remaining_ns)

    def shut(self, ips: Iterable[str]) -> Answer:
        """Close these addresses, and refuse a claim or renewal of them that is under way. DONE also where they were."""
        keys = {_key(ip) for ip in ips}
        for _ in range(_TRIES):
            going: list[Spot] = []
            lost = False
            for one in {s for key in keys for s in (*_version(key).opens, _version(key).ticket)}:
                try:
                    going += [Spot(one, key) for key in self._elements(one) & keys]
                except OSError as error:
                    if error.errno != errno.ENOENT:
                        return self._judged([Refused(-1, error.errno or errno.EIO)])
                    lost = True
            refused = self._commit([spot.empty() for spot in going]) if going else []
            if not refused:
                return Answer.LOST if lost else self._judged([])
        return self._judged(refused)

    def remaining(self, ip: str) -> int | None:
        """Nanoseconds that the kernel still leaves this address open; None where it is shut, or nobody can tell."""
        left: list[int] = []
        for spot in _opens([_key(ip)]):
            try:
                question = nft.element_of(spot.set.family, TABLE, spot.set.name, spot.key)
                left += [nft.left_ms(body) * MS for body in self._ask(question)]
            except OSError:
                return None
        return min(left, default=None)

    def changed(self) -> bool:
        """Whether somebody else committed a ruleset, of whatever kind, since the last call: then ask `stands`.

        To be asked often, 12 us: nobody is told. A listener would make the kernel write a report of 8 KiB for each
        element that anybody loads, before it commits: see the decisions' page.
        """
        try:
            before, self._generation = self._generation, self._now()
        except OSError as error:
            self._note(error.errno)
            return True
        return self._generation != before

    # -- the kernel ----------------------------------------------------------------------------------------------------

    def _place(self, going: Sequence[Spot], coming: Sequence[Spot], time_ns: int) -> Answer:
        """One transaction: all of `going` have to be there, `coming` begin anew even where they are there."""
        ms = timeout_ms(time_ns)
        if ms < 1:
            return Answer.LAPSED
        if not coming:
            return Answer.DONE
        alive: list[Spot] = []
        for _ in range(_TRIES):
            leaving = [*going, *alive]
            refused = self._commit([*(s.empty() for s in leaving), *(s.taken(ms) for s in coming)])
            found = [coming[r.index - len(leaving)] for r in refused if r.index >= len(leaving) and _exists(r)]
            expired = [leaving[r.index] for r in refused if len(going) <= r.index < len(leaving) and _gone(r)]
            if not refused or len(found) + len(expired) < len(refused):
                break
            alive = [s for s in alive if s not in expired] + found
        return self._judged(refused)

    def _commit(self, messages: Sequence[Message], generation: int = 0, rehearse: bool = False) -> list[Refused]:
        try:
            if self._asker is None:
                return [Refused(-1, errno.EBADF)]
            refused = self._asker.commit(messages, generation, rehearse)
        except OSError as error:
            return [Refused(-1, error.errno or errno.EIO)]
        if not refused and not rehearse:
            self._generation += 1  # our own; where it was another one as well, `changed` still sees a difference
        return refused

    def _ask(self, question: Message) -> list[bytes]:
        if self._asker is None:
            raise OSError(errno.EBADF, "")
        return self._asker.ask(question)

    def _now(self) -> int:
        """The ruleset's generation: each commit of anybody adds one."""
        return nft.generation_in(self._ask(nft.generation())[0])

    def _elements(self, one: Set) -> set[bytes]:
        found = self._ask(nft.elements_of(one.family, TABLE, one.name))
        return {key for body in found for key in nft.keys_in(body)}

    def _mended(self) -> list[Message]:
        """What brings the kernel to where it should be, from wherever it is; what is open stays open."""
        wide = [key for key, gate in self._gates.items() if not gate.neighbours_only]
        gates = [Spot(_version(key).near, key) for key in self._gates] + [Spot(_version(key).full, key) for key in wide]
        narrowed: list[Spot] = []
        for one in (V4.full, V6.full):
            with contextlib.suppress(OSError):  # not there yet, then there is nothing to take out; or the commit tells
                narrowed += [Spot(one, key) for key in self._elements(one) & (self._gates.keys() - set(wide))]
        return ruleset.anew() + [s.lasting() for s in gates] + [s.empty() for s in narrowed]

    def _rebuilt(self) -> list[Message]:
        """The same from nothing: something foreign has our names."""
        gone = [nft.no_table(family, TABLE) for family in ruleset.FAMILIES]
        return ruleset.tables() + gone + self._mended()

    def _without(self, keys: set[bytes]) -> tuple[list[Message], int]:
        """What ends the gates of `keys`, and the ruleset's generation for which that is right. Raises OSError."""
        generation = self._now()
        going: list[Message] = []
        in_use = False
        for one in ruleset.SETS:
            with _absent():
                found = self._elements(one)
                going += [Spot(one, key).empty() for key in found & keys]
                in_use = in_use or (one in ruleset.GATES and bool(found - keys))
        if in_use:
            return going, generation
        going = []
        for table in ruleset.tables():
            with _absent():
                self._ask(nft.look(table))
                going.append(nft.no_table(table.family, TABLE))
        return going, generation

    def _all_stands(self) -> bool:
        """Raises OSError where nobody can tell."""
        with _absent():
            return self._frame_stands() and self._gates_stand()
        return False

    def _frame_stands(self) -> bool:
        for wanted in ruleset.tables() + ruleset.frame():
            if not any(nft.covers(found, wanted.body) for found in self._ask(nft.look(wanted))):
                return False
        for chain in ruleset.CHAINS:
            have = self._ask(nft.rules_of(chain.family, TABLE, chain.name))
            want = ruleset.rules(chain)
            if len(have) != len(want) or not all(nft.covers(h, w.body) for h, w in zip(have, want, strict=True)):
                return False
        return True

    def _gates_stand(self) -> bool:
        narrow = {key for key, gate in self._gates.items() if gate.neighbours_only}
        near = self._elements(V4.near) | self._elements(V6.near)
        full = self._elements(V4.full) | self._elements(V6.full)
        return self._gates.keys() <= near and self._gates.keys() - narrow <= full and not narrow & full

    def _judged(self, refused: Sequence[Refused]) -> Answer:
        if not refused:
            self._fine()
            return Answer.DONE
        other = [r.code for r in refused if r.code != errno.ENOENT]
        if other:
            self._note(other[0])
            return Answer.FAILED
        return Answer.LAPSED if all(r.element for r in refused) else Answer.LOST

    def _note(self, code: int | None) -> str:
        self.trouble = errno.errorcode.get(code or errno.EIO, str(code))
        return self.trouble

    def _fine(self) -> str:
        self.trouble = ""
        return ""


@contextlib.contextmanager
def _absent() -> Iterator[None]:
    """What the kernel does not have needs nothing."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _gone(refused: Refused) -> bool:
    return refused.element and refused.code == errno.ENOENT


def _exists(refused: Refused) -> bool:
    return refused.element and refused.code == errno.EEXIST


def _key(ip: str) -> bytes:
    return packed(ip)[1]


def _keys(ips: Iterable[str]) -> list[bytes]:
    return list(dict.fromkeys(map(_key, ips)))


def _version(key: bytes) -> Version:
    return V4 if len(key) == 4 else V6


def _opens(keys: Iterable[bytes]) -> list[Spot]:
    return [Spot(one, key) for key in keys for one in _version(key).opens]
