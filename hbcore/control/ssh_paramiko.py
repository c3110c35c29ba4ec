"""The SSH transport: one daemon thread per connection owns paramiko, the event loop sees a reader and `write`.

Owns host keys, authentication order, jump hosts and the bridge's channel. Invariant: an unknown host key is never
accepted without an answer to `ask`, a changed one never; the loop is never blocked, and leaving waits for no thread.
Must not know the messages. Imported only when an SSH target is used.
"""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import contextlib
import logging
import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey, OnDiskPrivateKey

from hbcore.control.errors import ControlError
from hbcore.control.ssh import CONNECT_S, KEEPALIVE_S, ended
from hbcore.control.ssh_settings import Settings, settings
from hbcore.control.target import Target, parse_host
from hbcore.control.wire import MAX_REPLY, Ask, Question

AUTH_S = 15.0
ASK_S = 110.0  # sshd's LoginGraceTime is 120 s
_DEAD_MS = 10_000  # TCP_USER_TIMEOUT: with a keepalive every 5 s a dead path is noticed in 15 s
_MAX_HOPS = 4
_MAX_KEYS = 5  # MaxAuthTries is 6 in sshd_config
_CHUNK = 65536

# What paramiko would print on stderr goes over the screen otherwise.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False


def own_known_hosts() -> Path:
    """Where "save" puts a host key; ~/.ssh/known_hosts is the user's, not ours."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state) / "hbtui" / "known_hosts"


class ParamikoWire:
    def __init__(self, to: Target, command: str, ask: Ask | None) -> None:
        self._to = to
        self._command = command
        self._ask = ask
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._clients: list[paramiko.SSHClient] = []
        self._closed = threading.Event()
        self._asking: concurrent.futures.Future[str] | None = None
        self._complaint: ControlError | None = None

    # -- the loop's side

    async def open(self) -> asyncio.StreamReader:
        self._loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(MAX_REPLY)
        opened: asyncio.Future[None] = self._loop.create_future()
        threading.Thread(target=self._run, args=(reader, opened), daemon=True, name=f"hbcore-ssh {self._to}").start()
        await opened
        return reader

    def write(self, data: bytes) -> None:
        self._out.put(data)

    def complaint(self) -> ControlError | None:
        return self._complaint

    def close(self) -> None:
        self._closed.set()
        self._out.put(None)
        if self._asking is not None:
            self._asking.cancel()
        # paramiko's close() joins its thread: not on the event loop's time
        threading.Thread(target=self._shut, daemon=True).start()

    async def closed(self) -> None:
        """The threads end by themselves; waiting for them is what close() must not do."""

    # -- the thread's side

    def _run(self, reader: asyncio.StreamReader, opened: asyncio.Future[None]) -> None:
        try:
            channel = self._bridge()
        except ControlError as error:
            self._shut()
            self._tell(_settle, opened, error)
            return
        except Exception as error:  # whatever paramiko raises, the one who waits must hear of it
            self._shut()
            self._tell(_settle, opened, ControlError("ssh-failed", host=self._to, said=_what(error)))
            return
        threading.Thread(target=self._send, args=(channel,), daemon=True).start()
        self._tell(_settle, opened, None)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            while data := channel.recv(_CHUNK):
                self._tell(reader.feed_data, data, wait=True)
        channel.status_event.wait(1.0)
        stderr = channel.recv_stderr(2000) if channel.recv_stderr_ready() else b""
        status = channel.exit_status if channel.status_event.is_set() else None
        self._complaint = ended(str(self._to), None if status == -1 else status, stderr.decode("utf-8", "replace"))
        self._tell(reader.feed_eof)
        self._shut()

    def _tell(self, call: Callable[..., object], *args: object, wait: bool = False) -> None:
        """Run `call` on the loop; `wait` until it ran: a busy loop slows the sender instead of filling memory."""
        done = threading.Event()

        def run() -> None:
            call(*args)
            done.set()

        try:
            self._loop.call_soon_threadsafe(run)
        except RuntimeError:
            self._closed.set()  # the loop is gone, and with it whoever listened
        while wait and not self._closed.is_set() and not done.wait(0.5):
            pass

    def _send(self, channel: paramiko.Channel) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            while (data := self._out.get()) is not None:
                channel.sendall(data)

    def _shut(self) -> None:
        for client in reversed(self._clients):
            with contextlib.suppress(Exception):
                client.close()

    def _bridge(self) -> paramiko.Channel:
        client = self._connect(self._to, _MAX_HOPS)
        transport = client.get_transport()
        assert transport is not None, "a connected client has one"
        channel = transport.open_session(timeout=CONNECT_S)
        channel.exec_command(self._command)
        return channel

    def _connect(self, to: Target, hops: int, via: Any = None) -> paramiko.SSHClient:
        """A logged-in client for `to`; `via`: the channel that reaches it, else its own ProxyJump is followed."""
        if self._closed.is_set():
            raise ControlError("lost", where=to)
        if hops < 0:
            raise ControlError("too-many-jumps", host=to, most=_MAX_HOPS)
        how = settings(to)
        sock = via if via is not None else self._socket(how, to, hops)
        client = paramiko.SSHClient()
        self._clients.append(client)
        for path in (*how.known_hosts, own_known_hosts()):
            with contextlib.suppress(OSError):
                client.load_system_host_keys(str(path))
        client.set_missing_host_key_policy(_Policy(self, how))
        keys = _Keys(how)
        # known_hosts names a port only where it is not 22 and no alias stands for both
        port = how.port if how.name == how.host else 22
        try:
            client.connect(
                how.name,
                port,
                username=how.user,
                sock=sock,
                timeout=CONNECT_S,
                banner_timeout=CONNECT_S,
                auth_timeout=AUTH_S,
                channel_timeout=CONNECT_S,
                auth_strategy=keys,
            )
        except paramiko.BadHostKeyException as error:
            name = how.name if port == 22 else f"[{how.name}]:{port}"
            raise ControlError("host-key-changed", name=name, fingerprint=error.key.fingerprint) from None
        except paramiko.AuthenticationException:
            raise _not_let_in(how, keys) from None
        transport = client.get_transport()
        if transport is None or not transport.is_authenticated():
            raise _not_let_in(how, keys)
        transport.set_keepalive(KEEPALIVE_S)
        return client

    def _socket(self, how: Settings, to: Target, hops: int) -> Any:
        if how.jumps:
            through: Any = None
            for here, there in zip(how.jumps, (*how.jumps[1:], ""), strict=True):
                client = self._connect(parse_host(here), hops - 1, through)
                transport = client.get_transport()
                assert transport is not None, "a connected client has one"
                beyond = settings(parse_host(there)) if there else how
                through = transport.open_channel("direct-tcpip", (beyond.host, beyond.port), ("", 0), timeout=CONNECT_S)
            return through
        if how.proxy_command:
            tokens = {"%h": how.host, "%p": str(how.port), "%r": how.user, "%n": to.host, "%%": "%"}
            command = how.proxy_command
            for token, value in tokens.items():
                command = command.replace(token, value)
            return paramiko.ProxyCommand(command)
        try:
            sock = socket.create_connection((how.host, how.port), timeout=CONNECT_S)
        except socket.gaierror:
            raise ControlError("unknown-host", host=how.host) from None
        except OSError as error:
            raise ControlError("unreachable", host=how.host, port=how.port, error=_what(error)) from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_MS)
        return sock

    def decide(self, how: Settings, name: str, key: paramiko.PKey) -> None:
        """Returns where the person trusts `key`. Raises ControlError where not, or where nobody can be asked."""
        if self._ask is None:
            raise ControlError("host-key-unknown", name=name, kind=key.get_name(), fingerprint=key.fingerprint)
        question = Question(host=how.name, port=how.port, kind=key.get_name(), fingerprint=key.fingerprint)
        asked = self._ask(question)

        async def answered() -> str:
            return await asked

        self._asking = asyncio.run_coroutine_threadsafe(answered(), self._loop)
        try:
            answer = self._asking.result(ASK_S)
        except (concurrent.futures.CancelledError, TimeoutError):
            answer = "abort"
        if answer == "save":
            _save(name, key)
        elif answer != "once":
            raise ControlError("host-key-refused", name=name)


class _Policy(paramiko.MissingHostKeyPolicy):
    def __init__(self, wire: ParamikoWire, how: Settings) -> None:
        self._wire = wire
        self._how = how

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        self._wire.decide(self._how, hostname, key)


class _Keys(AuthStrategy):
    """Agent first, then files; with IdentitiesOnly only those of the agent's keys that a file names."""

    def __init__(self, how: Settings) -> None:
        super().__init__(ssh_config=paramiko.SSHConfig())
        self._how = how
        self.tried: list[str] = []

    def get_sources(self) -> Iterator[AuthSource]:
        how = self._how
        named = {blob for path in how.identities if (blob := _public(path)) is not None}
        seen: set[bytes] = set()
        for key in paramiko.Agent().get_keys():
            blob = key.asbytes()
            if len(seen) < _MAX_KEYS and (not how.identities_only or blob in named):
                seen.add(blob)
                self.tried.append(f"agent {key.fingerprint}")
                yield InMemoryPrivateKey(how.user, key)
        for path in how.identities:
            if len(seen) >= _MAX_KEYS or not path.exists() or _public(path) in seen:
                continue
            try:
                key_file = paramiko.PKey.from_path(path)
            except (paramiko.PasswordRequiredException, TypeError):  # TypeError: cryptography's word for it
                self.tried.append(f"{path} (locked: ssh-add it)")
                continue
            except Exception as error:  # cryptography raises many kinds for a file that is no key
                self.tried.append(f"{path} ({_what(error)})")
                continue
            seen.add(key_file.asbytes())
            self.tried.append(str(path))
            yield OnDiskPrivateKey(how.user, "ssh-config", path, key_file)


def _public(path: Path) -> bytes | None:
    """The public half beside a key file, to recognise the agent's copy of it."""
    try:
        fields = path.with_name(path.name + ".pub").read_text(errors="replace").split()
        return base64.b64decode(fields[1]) if len(fields) > 1 else None
    except (OSError, ValueError):
        return None


def _not_let_in(how: Settings, keys: _Keys) -> ControlError:
    return ControlError("ssh-auth", user=how.user, host=how.name, tried=", ".join(keys.tried) or "-")


def _save(name: str, key: paramiko.PKey) -> None:
    path = own_known_hosts()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
            file.write(f"{name} {key.get_name()} {key.get_base64()}\n")
    except OSError as error:
        raise ControlError("host-key-not-saved", path=path, error=_what(error)) from None


def _settle(future: asyncio.Future[None], error: ControlError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _what(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
