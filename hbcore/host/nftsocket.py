"""A netlink socket to nf_tables: has a transaction done, asks a question, and never listens.

Owns the socket and the reading of answers. Invariants: `commit` is one transaction, all of it or nothing; what is
returned is the kernel's answer to this request and to no other; every wait and every read has a bound.
Must not know what the tables are for. Stays small: pulse imports it.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hbcore.host import clock, nft
from hbcore.host.nft import Answer, Message

ANSWER_NS = 1_000_000_000  # the kernel answers before send() returns; this bounds one that does not
_BUFFER = 1 << 15  # the kernel makes no larger packet of a dump
_MOST_BYTES = 1 << 20  # 65,000 elements of a set
_SMALL = 256  # what the shortest packet counts for
_DUMPS = 4  # times a dump is asked for until no commit fell into it

_NETLINK_NETFILTER, _SOL_NETLINK, _CAP_ACK, _EXT_ACK = 12, 270, 10, 11


@dataclass(frozen=True, slots=True)
class Refused:
    """`index`: of the message, -1 where it was the transaction. `element`: it is a set element that the kernel refuses,
    so table and set are there."""

    index: int
    code: int
    element: bool = False


class Asker:
    """One request at a time. `port`: what the kernel calls this socket.

    All raise OSError: of the socket, the kernel's refusal of a question, ETIMEDOUT, EMSGSIZE (more than anybody needs
    to hear), EAGAIN (commits of others fell into every dump).
    """

    def __init__(self) -> None:
        self._sequence = 0
        self._sock = _open(0)
        self.port: int = self._sock.getsockname()[0]

    def close(self) -> None:
        self._sock.close()

    def commit(self, messages: Sequence[Message], generation: int = 0, rehearse: bool = False) -> list[Refused]:
        """One transaction; [] where it is done, else why nothing of it is. `rehearse`: checked, then undone."""
        first = self._numbers(len(messages) + 2)
        last = len(messages) - 1
        packet = [nft.begin(first, generation)]
        # one acknowledgement for all: refusals are told in any case, and before it
        packet += (nft.packed(m, first + 1 + at, ack=at == last) for at, m in enumerate(messages))
        if not rehearse:  # without its end a transaction is checked and aborted, as for `nft --check`
            packet.append(nft.end(first + 1 + len(messages)))
        self._sock.send(b"".join(packet))
        refused: list[Refused] = []
        for answer in self._answers():
            index = answer.sequence - first - 1
            if answer.kind != nft.ERROR or not -1 <= index <= last:
                continue
            if answer.code:
                element = index >= 0 and nft.names_element(messages[index], answer.bad_at)
                refused.append(Refused(index, answer.code, element))
            if index in (-1, last):
                break
        return refused

    def ask(self, question: Message) -> list[bytes]:
        """The attributes of each object that the kernel tells of."""
        for _ in range(_DUMPS):
            number = self._numbers(1)
            self._sock.send(nft.packed(question, number))
            found: list[bytes] = []
            whole = True
            for answer in self._answers():
                if answer.sequence != number:
                    continue
                whole = whole and not answer.flags & nft.INTERRUPTED
                if answer.kind in (nft.ERROR, nft.DONE):
                    if answer.code:
                        raise _error(answer.code)
                    break
                found.append(answer.body)
            if whole:
                return found
        raise _error(errno.EAGAIN)

    def _answers(self) -> Iterator[Answer]:
        """What the kernel sends to this socket; does not end, but raises, before what the caller waits for came."""
        end_ns = clock.now_ns() + ANSWER_NS
        heard = 0
        while heard < _MOST_BYTES:
            try:
                packet, _, flags, sender = self._sock.recvmsg(_BUFFER)
            except BlockingIOError:
                if self._more_until(end_ns):
                    continue
                self._afresh()
                raise _error(errno.ETIMEDOUT) from None
            heard += max(len(packet), _SMALL)
            if sender[0] == 0 and not flags & socket.MSG_TRUNC:  # of the kernel, and whole
                yield from nft.answers(packet)
        self._afresh()
        raise _error(errno.EMSGSIZE)

    def _more_until(self, end_ns: int) -> bool:
        left = end_ns - clock.now_ns()
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return left > 0 and bool(poll.poll(left // 1_000_000 + 1))

    def _afresh(self) -> None:
        """Leave an unfinished answer behind: it would make the next question EBUSY. The port stays."""
        self._sock.close()
        self._sock = _open(self.port)

    def _numbers(self, count: int) -> int:
        """The first of so many sequence numbers, none of which an answer under way can have."""
        if self._sequence > 1 << 31:
            self._sequence = 0
        self._sequence += count
        return self._sequence - count + 1


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def _open(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    try:
        sock.setblocking(False)
        sock.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        sock.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        sock.bind((port, 0))
    except OSError:
        sock.close()
        raise
    return sock
