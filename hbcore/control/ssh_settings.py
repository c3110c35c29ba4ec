"""What ssh_config says about a host: asked from `ssh -G`, which knows all of it, else from paramiko's parser.

Owns reading, not acting. Invariant: a host name never reaches ssh as an option (Target forbids a leading "-").
Must not know connections.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hbcore.control.target import Target

_ASK_S = 5.0
_IDENTITIES = ("id_ed25519", "id_ecdsa", "id_rsa")
_NONE = ("", "none", "no")


@dataclass(frozen=True, slots=True)
class Settings:
    """`name`: what known_hosts calls it (HostKeyAlias or the host name). `jumps`: ProxyJump, nearest hop first."""

    host: str
    port: int
    user: str
    name: str
    identities: tuple[Path, ...]
    identities_only: bool
    known_hosts: tuple[Path, ...]
    jumps: tuple[str, ...] = ()
    proxy_command: str = ""


def settings(to: Target) -> Settings:
    """For `to`, whose own user and port win over the files."""
    return _read(to, _asked(to) or _parsed(to))


def _asked(to: Target) -> dict[str, list[str]]:
    """`ssh -G`: one "keyword value" a line, after Include, Match and all defaults. Empty where there is no ssh."""
    program = shutil.which("ssh")
    if program is None:
        return {}
    config = os.environ.get("HBCORE_SSH_CONFIG")
    argv = [program, "-G", *(["-F", config] if config else [])]
    argv += [*(["-p", str(to.port)] if to.port else []), *(["-l", to.user] if to.user else []), "--", to.host]
    try:
        answer = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=_ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found: dict[str, list[str]] = {}
    for line in answer.stdout.decode("utf-8", "replace").splitlines():
        word, _, value = line.partition(" ")
        found.setdefault(word, []).append(value)
    return found if answer.returncode == 0 else {}


def _parsed(to: Target) -> dict[str, list[str]]:
    from paramiko import SSHConfig

    config = SSHConfig()
    own = os.environ.get("HBCORE_SSH_CONFIG")
    for path in [Path(own)] if own else [Path.home() / ".ssh/config", Path("/etc/ssh/ssh_config")]:
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                config.parse(file)
        except OSError:
            continue
    found = {word: value if isinstance(value, list) else [value] for word, value in config.lookup(to.host).items()}
    found |= {"port": [str(to.port)]} if to.port else {}
    return found | ({"user": [to.user]} if to.user else {})


def _read(to: Target, found: Mapping[str, list[str]]) -> Settings:
    def one(word: str, default: str = "") -> str:
        value = found.get(word, [default])[0]
        return default if value in _NONE else value

    host = one("hostname", to.host)
    ssh = Path.home() / ".ssh"
    files = [_path(value) for value in found.get("identityfile", []) if value not in _NONE]
    known = one("userknownhostsfile", str(ssh / "known_hosts")).split()
    known += one("globalknownhostsfile", "/etc/ssh/ssh_known_hosts").split()
    return Settings(
        host=host,
        port=int(one("port", "22")),
        user=to.user or one("user") or getpass.getuser(),
        name=one("hostkeyalias", host),
        identities=tuple(files or [ssh / name for name in _IDENTITIES]),
        identities_only=one("identitiesonly") == "yes",
        known_hosts=tuple(_path(value) for value in known),
        jumps=tuple(hop.strip().removeprefix("ssh://") for hop in one("proxyjump").split(",") if hop.strip()),
        proxy_command=one("proxycommand"),
    )


def _path(text: str) -> Path:
    return Path(text.strip('"').replace("%d", str(Path.home()))).expanduser()
