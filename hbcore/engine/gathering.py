"""The other node's list of connections, put together from the pages that came.

Owns which pages are new. Invariant: a list comes out whole and once, never after a later one, and has MAX_FLOWS
connections at most. It judges a page by its number alone: only those of one life of the other node belong here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hbcore.engine.beat import LifeKey
from hbcore.engine.flows import MAX_FLOWS, Flow, Flows, Page
from hbcore.engine.heart import Class


@dataclass(slots=True)
class Gathering:
    _life: LifeKey = (0, 0, 0)
    _number: int = 0
    _pages: dict[int, Page] = field(default_factory=dict)

    def take(self, page: Page) -> Class:
        """LISTED where it is new, REPEAT where it came before by another link, REPLAYED where a later list came."""
        if page.life != self._life:
            self._life, self._number, self._pages = page.life, 0, {}
        if page.number < self._number:
            return Class.REPLAYED
        if page.number > self._number:
            self._number, self._pages = page.number, {}
        if page.part in self._pages:
            return Class.REPEAT
        self._pages[page.part] = page
        return Class.LISTED

    def whole(self) -> Flows | None:
        """The list, if the page that was new just now completed it."""
        pages = [self._pages[part] for part in sorted(self._pages)]
        if not pages or len(pages) != pages[0].parts:
            return None
        lists: dict[str, list[Flow]] = {}
        left = MAX_FLOWS
        for ip, flows in (entry for page in pages for entry in page.flows):
            lists.setdefault(ip, []).extend(flows[:left])
            left -= len(flows[:left])
        return tuple((ip, tuple(flows)) for ip, flows in lists.items())
