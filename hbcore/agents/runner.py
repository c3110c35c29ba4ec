"""The one door to all agents: runs an operation on a resource and answers in the engine's terms.

Owns which agent serves a resource, that operations on one resource never overlap, and what of them hangs. Invariant:
every call is answered with exactly one `Done`; what was not certain is UNKNOWN, and while a process of an operation
hangs in the kernel, nothing is certain.
Must not know how addresses work (they come in through `AddressKeeper`) nor why an operation is wanted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hbcore.agents import capture, ocf, orphans
from hbcore.agents.hung import Hung
from hbcore.agents.lookup import Agent, Missing, Places, find
from hbcore.agents.outputs import Output, Outputs, raw_of
from hbcore.agents.script import Result, Run, environment
from hbcore.agents.verdict import Kind
from hbcore.engine.config import Address, Resource
from hbcore.engine.events import Done, Outcome

if TYPE_CHECKING:
    from hbcore.agents.systemd import Systemd

Finding = tuple[Outcome, str, Mapping[str, str]]  # outcome, code for `words`, its arguments
Say = Callable[..., str]

_ADDRESS = "address"
_IN_WORDS = (Kind.HEARTBEAT, Kind.LSB)  # answer in words, or by codes that many init scripts get wrong
_NOT_BEGUN = ("resource-late", "resource-hangs")
_CERTAIN_OR_NOT = {Outcome.OK: "script-done", Outcome.RUNNING: "script-running", Outcome.STOPPED: "script-stopped"}


class AddressKeeper(Protocol):
    """What the host offers for addresses (host.address.Addresses)."""

    async def up(self, wanted: Address, not_after_ns: int = 0, valid_s: int | None = None) -> Finding: ...

    async def down(self, wanted: Address) -> Finding: ...

    async def look(self, wanted: Address) -> Finding: ...


class Runner:
    """One per daemon, in its running loop.

    `say`: words.say, for `Done.detail`. `logs`: see script.environment. `output_dir`: existing folder for what services
    print that scripts leave running. `outputs`: what each operation printed last. `scratch`:
    see ocf.environment.
    """

    def __init__(
        self,
        *,
        node: str,
        places: Places,
        output_dir: Path,
        addresses: AddressKeeper,
        now_ns: Callable[[], int],
        say: Say,
        logs: Mapping[str, str | None] | None = None,
    ) -> None:
        self._addresses = addresses
        self._places = places
        self._now_ns = now_ns
        self._say = say
        self._output_dir = output_dir
        self._orphans = output_dir.with_name("scripts")
        self._orphans.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.scratch = output_dir.with_name("rsctmp")
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._environment = environment(node, places.config_dir, logs or {})
        self.outputs = Outputs()
        self._hung: dict[tuple[str, ...], list[Hung]] = {}
        self._asking: dict[tuple[str, ...], Run] = {}  # statuses under way
        self._turn: dict[str, asyncio.Lock] = {}
        self._systemd: Systemd | None = None

    async def run(
        self,
        op_id: int,
        resource: Resource,
        operation: str,
        timeout_ns: int,
        not_after_ns: int = 0,
        valid_s: int | None = None,
        group: str = "",
    ) -> Done:
        """`operation`: start | stop | status. Different resources run side by side, one resource's operations in order;
        a status that is under way when its resource is to start or stop is out of date, and ended.

        start and stop give OK, FAILED, UNKNOWN (timeout, killed) or LATE (`not_after_ns`, 0 = none, had passed: nothing
        was done); status gives RUNNING, STOPPED or UNKNOWN. `timeout_ns` counts from when it is its turn. `valid_s`: an
        address started is taken off by the kernel then, unless it is refreshed; None: never. `group`: whose resource it
        is, for its output.

        While a process of an earlier operation on the same service hangs, nothing is begun: start gives FAILED, the
        others UNKNOWN.
        """
        if operation not in ("start", "stop", "status"):
            raise ValueError(operation)
        asked, result, sure = self._now_ns(), None, True
        if operation != "status" and (overtaken := self._asking.get(_service(resource))):
            overtaken.kill()
        async with self._turn.setdefault(resource.name, asyncio.Lock()):
            if not_after_ns and self._now_ns() > not_after_ns:
                finding: Finding = (Outcome.LATE, "resource-late", {"resource": resource.name})
            elif resource.agent == _ADDRESS:
                finding = await self._address(resource, operation, timeout_ns, not_after_ns, valid_s)
            else:
                agent = find(resource, self._places)
                sure = isinstance(agent, Agent) and agent.kind not in _IN_WORDS
                finding, result = await self._agent(agent, resource, operation, timeout_ns)
        outcome, code, args = finding
        said, took_ns = self._say(code, **args), self._now_ns() - asked
        if code not in _NOT_BEGUN:
            exit_code, printed = (result.code, result.output) if result else (None, "")
            raw = raw_of(printed)
            self.outputs.put(
                Output(group, resource.name, operation, outcome, exit_code, said, time.time(), took_ns, raw)
            )
        return Done(op_id, outcome, said, took_ns, sure)

    def end_orphans(self) -> int:
        """End what a former daemon left running. To be called before anything is asked; how many there were."""
        found = orphans.end(self._orphans)
        for orphan in found:
            if orphan.left and orphan.about:
                operation, *service = orphan.about
                self._hung.setdefault(tuple(service), []).append(Hung(operation, orphan.left))
        return len(found)

    def trim(self) -> None:
        """Cut what services print that were left with our file as their stdout. Call it now and then."""
        with contextlib.suppress(OSError), os.scandir(self._output_dir) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_size > capture.ROOM:
                    os.truncate(entry.path, 0)

    async def _address(
        self, resource: Resource, operation: str, timeout_ns: int, not_after_ns: int, valid_s: int | None
    ) -> Finding:
        wanted = resource.address
        assert wanted is not None, "an address resource has an address"
        asked: dict[str, Callable[[], Awaitable[Finding]]] = {
            "start": lambda: self._addresses.up(wanted, not_after_ns, valid_s),
            "stop": lambda: self._addresses.down(wanted),
            "status": lambda: self._addresses.look(wanted),
        }
        try:
            return await asyncio.wait_for(asked[operation](), timeout_ns / 1e9)
        except TimeoutError:
            return Outcome.UNKNOWN, "address-timeout", {"ip": wanted.ip}
        except OSError as error:  # no netlink socket to ask with
            return Outcome.UNKNOWN, "address-unknown", {"ip": wanted.ip, "why": os.strerror(error.errno or 0)}

    async def _agent(
        self, agent: Agent | Missing, resource: Resource, operation: str, timeout_ns: int
    ) -> tuple[Finding, Result | None]:
        unsure = Outcome.FAILED if operation == "start" else Outcome.UNKNOWN
        if hangs := self._hanging(_service(resource)):
            args = {"resource": resource.name, "operation": operation, "former": hangs[0], "pids": hangs[1]}
            return (unsure, "resource-hangs", args), None
        if isinstance(agent, Missing):
            return (unsure, "resource-without-script", {"kind": resource.kind, "path": agent.path or "-"}), None
        if agent.kind is Kind.SYSTEMD:
            return await self._units().run(agent.name, operation, timeout_ns / 1e9), None
        run = self._prepared(agent, resource, operation, timeout_ns)
        if operation == "status":
            self._asking[_service(resource)] = run
        try:
            result = await run.result(
                timeout_ns, capture.path_for(self._output_dir, resource.name), self._orphans,
                (operation, *_service(resource)),
            )  # fmt: skip
        finally:
            self._asking.pop(_service(resource), None)
        if result.hung is not None:
            self._hung.setdefault(_service(resource), []).append(result.hung)
        return (result.outcome, *_told(result, agent.path, operation, timeout_ns)), result

    def _hanging(self, service: tuple[str, ...]) -> tuple[str, str] | None:
        """The operation of that service that hangs, and the numbers of its processes."""
        still = [(hung, left) for hung in self._hung.pop(service, []) if (left := hung.left())]
        if not still:
            return None
        self._hung[service] = [hung for hung, _ in still]
        hung, left = still[0]
        return hung.operation, ", ".join(map(str, left))

    def _units(self) -> Systemd:
        if self._systemd is None:
            from hbcore.agents.systemd import Systemd  # nobody else is to pay for its import

            self._systemd = Systemd()
        return self._systemd

    def _prepared(self, agent: Agent, resource: Resource, operation: str, timeout_ns: int) -> Run:
        if agent.kind is not Kind.OCF:
            return Run(agent.path, agent.kind, agent.args, operation, self._environment)
        told = ocf.environment(
            agent.name, resource.name, agent.args, timeout_ns, self.scratch, self._places.ocf_root
        )  # fmt: skip
        return Run(agent.path, agent.kind, (), operation, {**self._environment, **told})


def _service(resource: Resource) -> tuple[str, ...]:
    """What it is about: names are a group's own."""
    return resource.kind, *resource.args


def _told(result: Result, path: Path, operation: str, timeout_ns: int) -> tuple[str, dict[str, str]]:
    args = {
        "path": str(path),
        "operation": operation,
        "said": capture.last_words(result.output) or "-",
        "exit": "-" if result.code is None else str(result.code),
        "why": result.why,
        "seconds": f"{timeout_ns / 1e9:g}",
        "pids": ", ".join(map(str, result.hung.left())) if result.hung else "-",
    }
    if result.why in ("timeout", "killed", "hung"):
        return f"script-{result.why}", args
    if result.why:
        return "script-not-run", args
    if result.outcome is Outcome.UNKNOWN:
        return "script-unclear", args
    return _CERTAIN_OR_NOT.get(result.outcome, "script-failed"), args
