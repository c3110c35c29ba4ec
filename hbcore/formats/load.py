"""The door of formats: a configuration directory becomes a ClusterConfig, a Keyring, and all problems.

Owns the reading of files (the only I/O of formats), their bounds, and who may read authkeys.
Invariant: never raises for what stands in a directory; config is None where there is any error, keys where authkeys
has one, so that a bad new file never replaces a good old configuration. Must not know sentences, scripts or devices.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from hbcore.engine.config import ClusterConfig, Problem, Severity
from hbcore.engine.keys import Keyring
from hbcore.formats import authkeys, cluster, ha_cf, haresources, hbcore_yaml
from hbcore.formats.text import Findings, nearest

MAX_FILE = 64 * 1024
MAX_LISTING = 1000
FILES = ("ha.cf", "authkeys", "haresources")
OPTIONAL = "hbcore.yaml"
PARTS = (*FILES, OPTIONAL)
LATER = "cluster.yaml"
NODEINFO = "nodeinfo"  # its first line overrode `uname -n` in heartbeat
UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Loaded:
    """`problems` are sorted by file and line; their files are names within the directory."""

    config: ClusterConfig | None
    keys: Keyring | None
    problems: tuple[Problem, ...]


def load(config_dir: Path, node: str | None = None) -> Loaded:
    """Reads the three files, and hbcore.yaml where it is. `node`: my own name; it must then be one of the nodes."""
    if not config_dir.is_dir():
        found = Findings(str(config_dir))
        found.error(0, "directory-missing")
        return Loaded(None, None, found.close())
    problems: list[Problem] = []
    ha_text, res_text, yaml_text = (_read(config_dir, name, problems) for name in (FILES[0], FILES[2], OPTIONAL))
    keys = _keys(config_dir, problems)
    _later(config_dir, problems)

    ha, ha_problems = ha_cf.parse(ha_text) if ha_text is not None else (ha_cf.HaCf(), ())
    groups, res_problems = haresources.parse(res_text) if res_text is not None else ((), ())
    yaml, yaml_problems = hbcore_yaml.parse(yaml_text) if yaml_text is not None else (hbcore_yaml.HbcoreYaml(), ())
    texts = cluster.Texts(
        ha, groups, yaml, ha_text is None or _failed(ha_problems), res_text is None or _failed(res_problems)
    )
    config, crossed = cluster.assemble(texts, node)
    problems += (*ha_problems, *res_problems, *yaml_problems, *crossed)
    problems.sort(key=lambda p: (p.where.file, p.where.line))
    return Loaded(None if _failed(problems) else config, keys, tuple(problems))


def _failed(problems: list[Problem] | tuple[Problem, ...]) -> bool:
    return any(p.severity is Severity.ERROR for p in problems)


def _keys(config_dir: Path, problems: list[Problem]) -> Keyring | None:
    before = len(problems)
    text = _read(config_dir, "authkeys", problems, secret=True)
    if text is None:
        return None
    keys, found = authkeys.parse(text)
    problems += found
    return None if _failed(problems[before:]) else keys


def _later(config_dir: Path, problems: list[Problem]) -> None:
    """Files that would mean something elsewhere and mean nothing here."""
    if (config_dir / NODEINFO).exists():
        told = Findings(NODEINFO)
        told.warning(0, "nodeinfo")
        problems += told.close()
    if not (config_dir / LATER).exists():
        return
    found = Findings(LATER)
    both = [name for name in FILES if (config_dir / name).exists()]
    found.error(0, "cluster-yaml-both" if both else "cluster-yaml-later", others=", ".join(both))
    problems += found.close()


def _read(config_dir: Path, name: str, problems: list[Problem], *, secret: bool = False) -> str | None:
    """A file's text, or None. Bytes that are not UTF-8 stay as lone surrogates: the parsers name their line."""
    found = Findings(name)
    data = _bytes(config_dir, name, found, secret=secret)
    if data is not None and data.startswith(UTF16):
        found.error(1, "utf16")
        data = None
    problems += found.close()
    return None if data is None else data.decode("utf-8", "surrogateescape")


def _bytes(config_dir: Path, name: str, found: Findings, *, secret: bool) -> bytes | None:
    path = config_dir / name
    try:
        # O_NONBLOCK: a FIFO of that name must not hold us up
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        if path.is_symlink():
            found.error(0, "file-broken-link", target=os.readlink(path))
        elif name != OPTIONAL:
            _missing(config_dir, name, found)
        return None
    except OSError as why:
        found.error(0, "file-unreadable", why=why.strerror)
        return None
    facts = os.fstat(fd)
    if not stat.S_ISREG(facts.st_mode):
        os.close(fd)
        found.error(0, "file-not-regular")
        return None
    with os.fdopen(fd, "rb") as stream:
        if secret:
            _guarded(facts, path, found)
        elif facts.st_mode & stat.S_IWOTH:
            found.warning(0, "file-writable", path=path)
        try:
            data = stream.read(MAX_FILE + 1)
        except OSError as why:
            found.error(0, "file-unreadable", why=why.strerror)
            return None
    if len(data) > MAX_FILE:
        found.error(0, "file-too-large", limit=MAX_FILE)
        return None
    return data


def _guarded(facts: os.stat_result, path: Path, found: Findings) -> None:
    """Who reads authkeys can forge heartbeats: root or the running user owns it, and nobody else may touch it."""
    if facts.st_uid not in (0, os.geteuid()):
        found.error(0, "authkeys-owner", uid=facts.st_uid, path=path)
    elif facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        found.error(0, "authkeys-mode", mode=f"{stat.S_IMODE(facts.st_mode):04o}", path=path)


def _missing(config_dir: Path, name: str, found: Findings) -> None:
    try:
        with os.scandir(config_dir) as entries:
            names = [entry.name for entry, _ in zip(entries, range(MAX_LISTING), strict=False)]
    except OSError:
        names = []
    near = nearest(name, [n for n in names if n not in FILES], 0.7)
    found.error(0, "file-missing-near" if near else "file-missing", near=near or "", dir=config_dir)
