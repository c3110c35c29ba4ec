"""Lists of clients' connections on their way through pulse: the daemon's to the other node, and the other node's to it.

Owns which pages count, and the peer's last whole list, for a daemon that comes later. Invariant: a list is passed on
whole and once, and only one of the peer's present life, so a recording brings nothing back. Must not know its use.
"""

from __future__ import annotations

from hbcore.engine.flows import Flows, Page
from hbcore.engine.gathering import Gathering
from hbcore.engine.heart import Class, Heart
from hbcore.engine.keys import Key
from hbcore.host.pipe import Clients, Pipe
from hbcore.links.carriers import Carriers


class Lists:
    def __init__(self, me: int, heart: Heart, links: Carriers) -> None:
        self._me = me
        self._heart = heart
        self._links = links
        self._gathering = Gathering()
        self._peers: Flows = ()

    def send(self, clients: Clients, key: Key) -> None:
        self._links.send_flows(self._me, self._heart.life, clients.flows, key)

    def hear(self, page: Page, daemon: Pipe | None) -> Class:
        """What it counts as; a list that it completes is told."""
        kind = self._heart.whose(page)
        if kind is Class.LISTED:
            kind = self._gathering.take(page)
        if kind is Class.LISTED and (flows := self._gathering.whole()) is not None:
            self._peers = flows
            self.tell(daemon)
        return kind

    def tell(self, daemon: Pipe | None) -> None:
        if daemon is not None and self._peers:
            daemon.send(Clients(self._peers))
