"""nf_tables messages as bytes, and the socket that asks: nothing from outside misleads it, nothing keeps it waiting."""

from __future__ import annotations

import array
import errno
import socket
import struct
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbcore.host import nft, ruleset
from hbcore.host.guard import Gate, Guard
from hbcore.host.nftsocket import ANSWER_NS, Asker, Refused
from hbcore.host.ruleset import TABLE
from tests.unit.guard_net import NFT
from tests.unit.links_net import in_namespace

NETFILTER = 12


# begins with a length as of an attribute, or of a message
@given(st.builds(struct.pack, st.sampled_from(["=H", "=I"]), st.integers(0, 64)), st.binary(max_size=120))
def test_reading_never_raises(length: bytes, rest: bytes) -> None:
    packet = length + rest
    for answer in nft.answers(packet):
        assert answer.code >= 0
        assert answer.bad_at >= 0
    assert nft.left_ms(packet) >= 0
    assert all(isinstance(key, bytes) for key in nft.keys_in(packet))
    assert isinstance(nft.covers(packet, ruleset.rules(ruleset.CHAINS[0])[0].body), bool)


def test_an_element_that_opens_cannot_be_without_a_time() -> None:
    for ms in (0, -1):
        with pytest.raises(ValueError, match="for ever"):
            nft.element(nft.INET, TABLE, "open4", bytes(4), ms)


def test_a_rule_covers_itself_and_more_attributes_but_no_other_rule() -> None:
    every = [message.body for chain in ruleset.CHAINS for message in ruleset.rules(chain)]
    for one in every:
        for other in every:
            assert nft.covers(one, other) is (one == other)
    handle = struct.pack("=HHQ", 12, 3, 5)
    assert nft.covers(handle + every[0] + handle, every[0])
    first = nft.rule(1, TABLE, "c", nft.lookup("a"), nft.drop()).body
    assert not nft.covers(nft.rule(1, TABLE, "c", nft.lookup("a"), nft.drop(), nft.drop()).body, first)
    assert not nft.covers(nft.rule(1, TABLE, "c", nft.lookup("a", inverted=True), nft.drop()).body, first)
    assert not nft.covers(nft.rule(1, TABLE, "c", nft.drop(), nft.lookup("a")).body, first)
    assert not nft.covers(b"", first)


@in_namespace
def test_answers_that_the_kernel_did_not_give_are_not_believed() -> None:
    """Errors sent by another process, with the numbers of the requests to come."""
    asker = Asker()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER) as liar:
        for number in range(1, 60):
            lie = struct.pack("=IHHIIi16x", 36, 2, 0, number, 0, -errno.EEXIST)
            liar.sendto(lie, (asker.port, 0))
    assert asker.commit(ruleset.anew()) == []
    assert len(asker.ask(nft.rules_of(nft.INET, TABLE, "prerouting"))) == 3


@in_namespace
def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    asker = Asker()
    missing = [nft.no_table(nft.INET, "nowhere")]
    assert asker.commit(missing) == [Refused(0, errno.ENOENT)]
    asker._sock.send(nft.packed(missing[0], 77, ack=True))  # outside a transaction: EINVAL; nobody waits for it
    asker._sock.send(nft.packed(nft.generation(), 78))
    assert asker.commit(ruleset.anew()) == []
    with pytest.raises(FileNotFoundError):
        asker.ask(nft.look(nft.table(nft.INET, "nowhere")))


@in_namespace
def test_a_kernel_that_does_not_answer_is_waited_for_one_second() -> None:
    """Its answers are dropped by a filter on the socket. After that a new socket with the same port goes on."""
    asker = Asker()
    port = asker.port
    for ask in (lambda: asker.commit(ruleset.anew()), lambda: asker.ask(nft.generation())):
        program = array.array("B", struct.pack("=HBBI", 6, 0, 0, 0))
        asker._sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", 1, program.buffer_info()[0]))
        begun = time.monotonic_ns()
        with pytest.raises(TimeoutError):
            ask()
        assert ANSWER_NS <= time.monotonic_ns() - begun < 2 * ANSWER_NS
    assert len(asker.ask(nft.generation())) == 1
    assert asker.port == port == asker._sock.getsockname()[0]


@in_namespace
def test_more_than_anybody_needs_to_hear_is_not_read_to_its_end() -> None:
    guard = Guard()
    assert guard.install([Gate("10.0.0.1")]) == ""
    asker = Asker()
    for n in range(35):
        stuffing = (struct.pack("!I", 0x0B000000 + n * 2_000 + i) for i in range(2_000))
        assert asker.commit([nft.lasting_element(nft.INET, TABLE, "gated4", key) for key in stuffing]) == []
    begun = time.monotonic_ns()
    assert not guard.stands()
    assert time.monotonic_ns() - begun < 2 * ANSWER_NS
    assert guard.trouble == "EMSGSIZE"
    subprocess.run([NFT, "flush set inet hbcore_guard gated4"], check=True)
    assert guard.install([]) == "" == guard.trouble
    assert guard.stands()


@in_namespace
def test_sequence_numbers_begin_anew_in_time() -> None:
    asker = Asker()
    asker._sequence = (1 << 31) - 20
    for _ in range(4):
        assert asker.commit(ruleset.anew()) == []
    assert asker._sequence < 1000


def test_pulse_gets_nothing_heavy_with_it() -> None:
    program = "import hbcore.host.guard, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & {"asyncio", "msgspec", "pyroute2", "ctypes", "subprocess", "logging"} == set()
