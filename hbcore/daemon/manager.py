"""The daemon's loop: events in, effects out.

Owns the engine's instance and everything that carries its effects out. Invariant: pulse's messages are all read before
a timer may judge; effects are carried out in order; nothing in here decides. Must not know the table.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
import sys
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, assert_never

from hbcore import __version__
from hbcore.agents.catalogue import Catalogue
from hbcore.agents.children import Children
from hbcore.agents.lookup import Places
from hbcore.agents.runner import Runner
from hbcore.agents.script import environment
from hbcore.control.schema import Event, Status
from hbcore.control.server import Server
from hbcore.daemon.backend import Backend
from hbcore.daemon.clients import OldConnections, held
from hbcore.daemon.gatekeeper import Gatekeeper
from hbcore.daemon.journal import Journal
from hbcore.daemon.lookout import Lookout
from hbcore.daemon.orphaned import orphaned
from hbcore.daemon.snapshot import Extra, namesakes, snapshot
from hbcore.daemon.verdicts import Verdicts
from hbcore.engine import events
from hbcore.engine.config import SECOND, GroupDef
from hbcore.engine.effects import Announce, Effect, Gone, Hold, Note, Persist, Probe, Prove, Run, Say, Stored
from hbcore.engine.engine import Engine
from hbcore.engine.events import Abandoned, Persisted, Probed, Sighting, Tick
from hbcore.engine.table import Peer
from hbcore.formats.haresources import UNITS
from hbcore.host import clock, pipe, state
from hbcore.host.address import Addresses
from hbcore.host.arp import ArpBook
from hbcore.host.netlink import Netlink
from hbcore.words import say

FACTS_S = 5.0
PUBLISH_S = 1.0
NEIGHBOURS = 3  # asked beside the rest where any of them is proof enough
BURST_S = 0.1  # changes closer together than this are published once


class Manager:
    """One daemon. `status`: exit status once it ended."""

    def __init__(self, sock: socket.socket, hello: pipe.Hello, arguments: dict[str, str], restart: list[str]) -> None:
        self._pipe = pipe.Pipe(sock)
        self._hello = hello
        self._state = Path(arguments["state"])
        self._runtime = Path(arguments["runtime"])
        self._restart = restart
        self._loop = asyncio.get_running_loop()
        self._disk = ThreadPoolExecutor(1, "disk")
        self._extra = Extra(key_bits=hello.keys.weakest_bits, incarnation=hello.incarnation)
        config = hello.config
        self._journal = Journal(hello.node, config.logfile, self._on_event)
        stored, kept = state.load(self._state, clock.unix_ns() // SECOND)
        self._extra.lost = state.told() + ([kept] if kept else [])
        now = clock.now_ns()
        self._engine = Engine(
            config, hello.node, stored, now, born_ns=hello.born_ns, heard_ns=hello.heard_ns, asked_ns=hello.asked_ns,
            resumed=hello.resumed, version=__version__,
        )  # fmt: skip
        self._netlink = Netlink()
        self._gates = Gatekeeper(
            config.timing, lambda: self._engine.definitions, lambda ips: self._pipe.send(pipe.Lifted(ips))
        )
        self._vips = [a for g in self._engine.world.groups.values() for d in g.definitions for a in d.addresses]
        self._addresses = Addresses(self._netlink, [a.ip for a in self._vips], gates=self._gates)
        self._verdicts = Verdicts(config.links, self._netlink, self._addresses)
        self._arp = ArpBook(self._addresses.is_present, self._step, silenced=self._gates.silenced)
        self._clients = OldConnections(
            self._addresses.vips, lambda: held(self._engine.world), self._pipe.send, self._told,
            self._addresses.is_present, self._gates.silenced,
        )  # fmt: skip
        self._addresses.announcers = (self._arp, self._clients)
        self._lookout = Lookout(
            config, Path(hello.config_dir), self._engine, self._addresses, self._arp, step=self._step,
            send=self._pipe.send, note=self._journal.write, read=self._readable,
        )  # fmt: skip
        logs = {"logfile": config.logfile, "debugfile": config.debugfile, "logfacility": config.logfacility}
        places = Places(Path(hello.config_dir))
        self._runner = Runner(
            node=hello.node, places=places, output_dir=self._output(),
            addresses=self._addresses, now_ns=clock.now_ns, say=say, logs=logs,
        )  # fmt: skip
        surroundings = environment(hello.node, Path(hello.config_dir), logs)
        self._children = Children(config.respawn, self._runtime / "children", surroundings, self._told)
        catalogue = Catalogue(places, UNITS, surroundings, self._runner.scratch)
        self._backend = Backend(
            self._engine, self._journal, self._status, self._carry_out, self._runner.outputs, catalogue
        )
        self._server = Server(self._backend, self._runtime / "hbcore.sock")
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._published = (-1, 0)
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._acting = 0  # starts and stops under way
        self._heirs: tuple[GroupDef, ...] | None = None  # the groups of an heir that waits for the end of this daemon
        self._quit: int | None = None  # the exit status, once all is stopped and pulse was told to quit

    # -- life ----------------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        if orphans := self._runner.end_orphans():
            self._journal.write(
                Note("scripts-ended", (("count", str(orphans)),), "warning", "failure", self._hello.node)
            )
        await self._addresses.lift_stale(self._vips)  # before the engine may start anything
        released = [Abandoned(tuple(self._hello.released.items()))] if self._hello.released else []
        await self._lookout.refresh(*released)
        await self._server.start()
        self._loop.add_reader(self._pipe.fileno(), self._readable)
        self._pipe.send(pipe.Ready(pipe.VERSION))
        self._journal.write(Note("daemon-resumed" if self._hello.resumed else "daemon-started",
                                 (("version", __version__),), kind="node", about=self._hello.node))  # fmt: skip
        for kept in self._extra.lost:
            self._journal.write(Note(kept.code, kept.args, "warning", "failure", self._hello.node))
        self._readable()
        for job in (self._lookout.watch(), self._housekeeping(), self._clients.watch()):
            self._spawn(job)
        try:
            return await self._ended
        finally:
            await self._server.close()
            self._clients.close()
            self._arp.close()
            self._netlink.close()
            self._gates.close()
            self._disk.shutdown(wait=True)

    def _spawn(self, job: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._reaped)

    def _reaped(self, task: asyncio.Task[None]) -> None:
        """A job that broke is a bug of ours: the daemon ends, and pulse starts one that asks everything anew."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    async def _housekeeping(self) -> None:
        """Once a second a status with its age; every few seconds another look at the host."""
        looked = self._loop.time()
        children = False
        while True:
            await asyncio.sleep(PUBLISH_S)
            self._extra.causes = await self._verdicts.look(self._engine.world, self._extra)
            self._publish(force=True)
            if not children and self._communicating() and not self._engine.world.leaving:
                children = True
                self._spawn(self._children.run())
            if self._loop.time() - looked >= FACTS_S:
                looked = self._loop.time()
                await self._lookout.refresh()
                self._runner.trim()

    def _communicating(self) -> bool:
        """As heartbeat had it: the other was heard, or initdead has passed."""
        return self._engine.world.peer.state(clock.now_ns()) is not Peer.NEVER

    def _told(self, code: str, args: Mapping[str, str], severity: str) -> None:
        self._journal.write(Note(code, tuple(args.items()), severity, "other", self._hello.node))

    # -- the engine ----------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        """Read all that pulse said, in order, before anything else may look at the time."""
        told: list[events.Event] = []
        for message in self._pipe.drain():
            match message:
                case pipe.Counts(datagrams, troubles, own, realtime, refused, namesake, beside):
                    self._extra.counters, self._extra.troubles, self._extra.own = datagrams, troubles, own
                    self._extra.realtime, self._extra.refused = realtime, refused
                    self._meet(namesake, beside)
                case pipe.Clients(flows):
                    self._clients.heard(flows)
                case pipe.Keys(keys):
                    self._hello = dataclasses.replace(self._hello, keys=keys)
                    self._extra.key_bits = keys.weakest_bits
                case pipe.Told(code, args, severity, kind):
                    self._journal.write(Note(code, args, severity, kind, self._hello.node))
                case pipe.Asked("leave"):
                    told.append(events.Leave())
                case pipe.Rest(groups):
                    self._heirs = groups
                case events.Guarded(trouble):
                    self._gates.told(trouble)
                    told.append(message)
                case (
                    events.Heard() | events.Answered() | events.Lapsed() | events.Stalled() | events.Abandoned()
                    | events.Listened() | events.Namesake()
                ):  # fmt: skip
                    told.append(message)
                case _:
                    pass
        if told:
            self._step(*told)
        self._end_at_rest()
        if self._pipe.closed and not self._ended.done():
            if self._quit is None:
                self._become_pulse()
            else:  # it left because this daemon said so
                self._end(self._quit)

    def _meet(self, namesake: tuple[bytes, ...], beside: tuple[bytes, ...]) -> None:
        """Another machine beats in a node's name, or does no more: told once each time."""
        told = {node for _, node, _ in namesakes(self._engine.world, self._extra)}
        self._extra.namesake, self._extra.beside = namesake, beside
        for code, node, macs in namesakes(self._engine.world, self._extra):
            if node not in told:
                self._journal.write(Note(code, (("node", node), ("macs", macs)), "error", "failure", node))

    def _become_pulse(self) -> None:
        """Pulse is dead: this process turns into the next one, which starts a daemon that adopts what runs. One that
        refused to take part only ends: the next one has to listen for its name again."""
        self._journal.write(Note("pulse-died", (), "error", "failure", self._hello.node))
        if self._engine.world.refused:
            self._end(1)
            return
        self._disk.shutdown(wait=True)
        os.environ["HBCORE_RESUME"] = str(pipe.leave_behind(self._hello))
        os.execv(sys.executable, [sys.executable, *self._restart])

    def _step(self, *facts: events.Event) -> None:
        """Facts for the engine. A broken invariant of ours ends this daemon: the next one asks everything anew."""
        try:
            self._carry_out(self._engine.step(clock.now_ns(), *facts))
        except Exception as error:
            self._fail(error)
            raise

    def _tick(self) -> None:
        self._timer = None
        self._readable()
        self._step(Tick())

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._do(effect)
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0, self._engine.next_deadline() - clock.now_ns()) / SECOND
        self._timer = self._loop.call_later(delay, self._tick)
        if self._lookout.outdated():
            self._spawn(self._lookout.refresh())
        self._publish()

    def _do(self, effect: Effect) -> None:
        match effect:
            case Say() | Hold() | Prove():
                self._pipe.send(effect)
            case Run():
                self._spawn(self._run(effect))
            case Probe():
                self._spawn(self._probe(effect))
            case Persist(number, stored):
                self._spawn(self._persist(number, stored))
            case Announce(device, ip):
                self._arp.announce(device, ip)
            case Note():
                self._journal.write(effect)
            case Gone(clean):
                self._quit = 0 if clean else 1
                self._spawn(self._leave(clean))
            case _:
                assert_never(effect)

    async def _leave(self, clean: bool) -> None:
        """All is released: the programs beside it go last, as they came last."""
        await self._children.stop()
        self._pipe.send(pipe.Quit(clean))
        await asyncio.sleep(0.2)
        self._end(0 if clean else 1)

    def _end(self, status: int) -> None:
        if not self._ended.done():
            self._ended.set_result(status)

    async def _run(self, run: Run) -> None:
        valid_s = self._gates.valid_s(run.group)
        self._acting += run.operation != "status"
        done = await self._runner.run(
            run.op, run.resource, run.operation, run.timeout_ns, run.not_after_ns, valid_s, run.group
        )
        self._acting -= run.operation != "status"
        self._step(done)
        self._end_at_rest()

    def _end_at_rest(self) -> None:
        """A new pulse with a daemon of its own waits: whatever starts or stops here is brought to its end first, and
        what its files do not have is not left to nobody.
        """
        if self._heirs is None or self._acting:
            return
        lost = orphaned(self._engine.world.groups.values(), self._heirs)
        self._heirs = None
        for group, resources in lost:
            args = (("group", group), ("resources", ", ".join(resources)))
            self._journal.write(Note("heir-orphans", args, "error", "failure", group))
        self._pipe.send(pipe.Rested(lacking=bool(lost)))
        if not lost:
            self._end(0)

    async def _probe(self, probe: Probe) -> None:
        targets = list(probe.targets)
        neighbours: set[str] = set()
        if probe.neighbours:
            known = await self._addresses.neighbours(probe.device, NEIGHBOURS)
            neighbours = {n.ip for n in known} - set(targets)
        own = self._lookout.own.get(probe.device, ())
        result = await self._arp.probe(probe.device, [*targets, *neighbours], probe.source, probe.confirm, others=own)
        if result.trouble:
            self._step(Probed(probe.probe, result.begun_ns, result.ended_ns, failed=True))
            return
        answers = tuple(
            Sighting(ip, answer.mac, answer.confirmed)
            for ip, found in result.answers.items() if ip in probe.targets for answer in found
        )  # fmt: skip
        others = any(result.answers.get(ip) for ip in neighbours)
        self._step(Probed(probe.probe, result.begun_ns, result.ended_ns, answers, others))

    async def _persist(self, number: int, stored: Stored) -> None:
        error = ""
        try:
            await self._loop.run_in_executor(self._disk, state.save, self._state, stored)
        except OSError as problem:
            error = problem.strerror or str(problem.errno)
        self._extra.disk_error = error
        self._step(Persisted(number, error))

    # -- around it -----------------------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if hasattr(self, "_server"):
            self._server.announce(event)

    def _status(self) -> Status:
        return snapshot(self._engine, self._extra, clock.now_ns())

    def _publish(self, *, force: bool = False) -> None:
        generation, at = self._published
        now = clock.now_ns()
        if force or (generation != self._engine.generation and now - at >= BURST_S * SECOND):
            self._published = (self._engine.generation, now)
            if self._server.clients:
                self._server.publish(self._status())

    def _output(self) -> Path:
        path = self._runtime / "output"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path
