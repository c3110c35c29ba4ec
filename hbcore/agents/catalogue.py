"""What this node could run: the agents that are here, and what each says about itself.

Owns that list and the asking, one agent at a time. Invariant: nothing but an OCF agent's meta-data is ever run for it,
and only an agent that lies in its place under a plain name; bounded in time and size. Must not know the configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hbcore.agents import capture, metadata, ocf
from hbcore.agents.lookup import Agent, Missing, Places, find
from hbcore.agents.metadata import Description
from hbcore.agents.places import MAX_LISTING, listing
from hbcore.agents.script import Run
from hbcore.agents.verdict import Kind
from hbcore.engine.config import SECOND, Resource
from hbcore.engine.events import Outcome

NOTHING = Description()
CLASSES = ("script", "lsb", "ocf", "systemd")
ASK_S = 10  # for an agent's meta-data
HEAD = 64 << 10  # bytes of a script or unit that are read
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\+-]*(:[A-Za-z0-9_][A-Za-z0-9_.@\\+-]*)*")  # stays in its folder


@dataclass(frozen=True, slots=True)
class Entry:
    """What `Catalogue.show` found. `code`, `args`: what is in the way, "" where nothing is. `cls`: heartbeat | lsb |
    ocf | systemd.
    """

    path: str = ""
    cls: str = ""
    description: Description = NOTHING
    code: str = ""
    args: Mapping[str, str] = field(default_factory=dict)


class Catalogue:
    """`units`: endings of units that can be resources. `environment`: a script's (script.environment). `scratch`: see
    ocf.environment.
    """

    def __init__(self, places: Places, units: Sequence[str], environment: Mapping[str, str], scratch: Path) -> None:
        self._places = places
        self._units = tuple(units)
        self._environment = environment
        self._scratch = scratch
        self._turn = asyncio.Lock()

    async def names(self, cls: str = "") -> list[str]:
        """As they are written in haresources, sorted by class; `cls` "" = of all of CLASSES."""
        async with self._turn:
            return await asyncio.to_thread(self._names, cls)

    async def show(self, word: str) -> Entry:
        """`word`: ocf:PROVIDER:TYPE, systemd:UNIT, lsb:SCRIPT, or a script's name as heartbeat looks it up."""
        resource = self._resource(word)
        if resource is None:
            return Entry(code="agent-word", args={"word": word})
        async with self._turn:
            agent = await asyncio.to_thread(find, resource, self._places)
            if isinstance(agent, Missing):
                return _missing(word, agent, resource.agent)
            if agent.kind is Kind.OCF:
                return await self._asked(agent)
            return Entry(str(agent.path), agent.kind, await asyncio.to_thread(_read, agent.path))

    # -- the list ------------------------------------------------------------------------------------------------------

    def _names(self, cls: str) -> list[str]:
        of: dict[str, Callable[[], Iterator[str]]] = {
            "script": self._scripts, "lsb": self._lsb, "ocf": self._ocf, "systemd": self._systemd,
        }  # fmt: skip
        chosen = [cls] if cls else list(CLASSES)
        return [name for one in chosen for name in sorted(set(itertools.islice(of[one](), MAX_LISTING)))]

    def _scripts(self) -> Iterator[str]:
        """Those of resource.d, and the OCF agents that heartbeat's own scripts stood for."""
        yield from listing(self._places.config_dir / "resource.d")
        for kind in ocf.WRAPPERS:
            if not ocf.find(f"{ocf.PROVIDER}:{kind}", self._places.ocf_root)[1]:
                yield kind

    def _lsb(self) -> Iterator[str]:
        if self._places.init_dir is not None:
            yield from (f"lsb:{name}" for name in listing(self._places.init_dir))

    def _ocf(self) -> Iterator[str]:
        yield from (f"ocf:{name}" for name in ocf.names(self._places.ocf_root))

    def _systemd(self) -> Iterator[str]:
        for folder in self._places.unit_dirs:
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in itertools.islice(entries, MAX_LISTING):
                    if entry.name.endswith(self._units):
                        yield f"systemd:{entry.name.removesuffix('.service')}"

    # -- one of them ---------------------------------------------------------------------------------------------------

    def _resource(self, word: str) -> Resource | None:
        cls, colon, name = word.partition(":")
        if not colon or cls not in CLASSES:
            cls, name = "script", word
        if _NAME.fullmatch(name) is None:
            return None
        if cls == "ocf":
            provider, colon, kind = name.rpartition(":")
            name = f"{provider or ocf.PROVIDER}:{kind}"
            return Resource(kind, cls, name)
        if cls == "systemd" and not name.endswith(self._units):
            name += ".service"
        return Resource(name, cls, name)

    async def _asked(self, agent: Agent) -> Entry:
        timeout_ns = ASK_S * SECOND
        told = ocf.environment(agent.name, "-", (), timeout_ns, self._scratch, self._places.ocf_root)
        run = Run(agent.path, agent.kind, (), "meta-data", {**self._environment, **told})
        result = await run.result(timeout_ns)
        path = str(agent.path)
        found = await asyncio.to_thread(metadata.of_xml, result.printed) if result.outcome is Outcome.OK else None
        if found is None:
            code = "-" if result.code is None else str(result.code)
            said = capture.last_words(result.output) or "-"
            return Entry(path, agent.kind, code="agent-silent", args={
                "path": path, "exit": code, "why": result.why or "-", "said": said,
            })  # fmt: skip
        return Entry(path, agent.kind, found)


def _missing(word: str, missing: Missing, cls: str) -> Entry:
    if not missing.code.endswith("-missing"):
        return Entry(missing.path, code="agent-unusable", args={"path": missing.path})
    near, cls = (missing.near, cls) if missing.near else (missing.unit, "systemd")
    if near and cls != "script":
        near = f"{cls}:{near.removesuffix('.service')}"
    return Entry(code="agent-not-here-near" if near else "agent-not-here", args={"word": word, "near": near})


def _read(path: Path) -> Description:
    try:
        with path.open("rb") as file:
            return metadata.of_text(file.read(HEAD).decode("utf-8", "replace"))
    except OSError:
        return Description()
