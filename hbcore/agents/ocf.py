"""OCF resource agents: where they are, what they are told, and which of them heartbeat's own scripts stood for.

Owns the environment of a call (OCF resource agent API 1.0, section "Parameters") and the table of heartbeat's wrappers
in resource.d, which took arguments by their place. Invariant: only looks, never runs. Must not know what an exit code
means (verdict.py).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hbcore.agents.places import fault_of, listing

ROOT = Path("/usr/lib/ocf")
PROVIDER = "heartbeat"  # whose agents heartbeat's wrappers called
ACTIONS = {"start": "start", "stop": "stop", "status": "monitor", "meta-data": "meta-data"}
# heartbeat 3.0.6's resource.d: its scripts without one of their own, and the parameters their arguments were, in order.
WRAPPERS: dict[str, tuple[str, ...]] = {
    "AudibleAlarm": ("nodelist",),
    "Delay": ("startdelay",),
    "Filesystem": ("device", "directory", "fstype", "options"),
    "ICP": ("driveid", "device"),
    "IPsrcaddr": ("ipaddress",),
    "LVM": ("volgrpname",),
    "LinuxSCSI": ("scsi",),
    "MailTo": ("email", "subject"),
    "Raid1": ("raidconf", "raiddev"),
    "SendArp": ("ip", "nic"),
    "ServeRAID": ("serveraid", "mergegroup"),
    "WAS": ("config", "port"),
    "WinPopup": ("hostfile",),
    "Xinetd": ("service",),
    "apache": ("configfile",),
    "db2": ("instance",),
    "ids": ("informixdir", "informixserver", "onconfig"),
    "portblock": ("protocol", "portno", "action"),
}


def of_wrapper(kind: str, args: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """The agent ("heartbeat:TYPE") and its parameters ("NAME=VALUE") that a line of haresources meant, or None."""
    names = WRAPPERS.get(kind)
    if names is None or len(args) > len(names):
        return None
    return f"{PROVIDER}:{kind}", tuple(f"{name}={value}" for name, value in zip(names, args, strict=False))


def find(agent: str, root: Path = ROOT) -> tuple[Path, str]:
    """Where "PROVIDER:TYPE" is, and the code of what is wrong there: "" | agent-missing | script-... as `fault_of`."""
    provider, _, name = agent.partition(":")
    path = root / "resource.d" / provider / name
    fault = fault_of(path)
    return path, "agent-missing" if fault == "" else fault or ""


def near(agent: str, root: Path = ROOT) -> str:
    """An agent that is here and may be meant, or ""."""
    folded = {name.lower(): name for name in names(root)}
    provider, _, name = agent.lower().partition(":")
    close = difflib.get_close_matches(f"{provider}:{name}"[:128], folded, 1, 0.6)
    return folded[close[0]] if close else ""


def names(root: Path = ROOT) -> Iterator[str]:
    """All agents here, as "PROVIDER:TYPE", sorted."""
    for provider in sorted(_providers(root)):
        for name in sorted(listing(root / "resource.d" / provider)):
            yield f"{provider}:{name}"


def _providers(root: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(root / "resource.d") if entry.is_dir()]
    except OSError:
        return []


def environment(
    agent: str, instance: str, params: Sequence[str], timeout_ns: int, scratch: Path, root: Path = ROOT
) -> Mapping[str, str]:
    """What the agent is told. `params`: "NAME=VALUE". `scratch`: existing folder where agents keep notes until the next
    boot (HA_RSCTMP).
    """
    provider, _, name = agent.partition(":")
    given = (param.partition("=") for param in params)
    return {
        "OCF_ROOT": str(root),
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "0",
        "OCF_RESOURCE_INSTANCE": instance,
        "OCF_RESOURCE_PROVIDER": provider,
        "OCF_RESOURCE_TYPE": name,
        "OCF_RESKEY_CRM_meta_timeout": str(timeout_ns // 1_000_000),
        "OCF_RESKEY_CRM_meta_interval": "0",  # agents then say "stopped" where what they need is not there yet
        "HA_RSCTMP": str(scratch),
        **{f"OCF_RESKEY_{key}": value for key, _, value in given},
    }
