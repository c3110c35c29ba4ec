"""Settings of an interface, read and written where the kernel keeps them.

Invariant: reads and writes only net.ipv4.conf and net.ipv6.conf of this network namespace. Stays small: pulse imports
it.
"""

from __future__ import annotations

_CONF = "/proc/sys/net/ipv4/conf"
_CONF6 = "/proc/sys/net/ipv6/conf"


def get(device: str, key: str) -> int:
    """IPv4's value in force: the greater of the device's own and that of `all`, as the kernel has it. 0: unknown."""
    return max(_read(device, key), _read("all", key))


def is_router(device: str) -> bool:
    """Does this host pass on IPv6 there? Then its advertisements say so, or its clients would drop it as a router."""
    return _read(device, "forwarding", _CONF6) > 0


def put(device: str, key: str, value: int) -> bool:
    """Set the device's own value of IPv4; False where the kernel or a read-only /proc refuses."""
    try:
        with open(f"{_CONF}/{device}/{key}", "w", encoding="ascii") as file:
            file.write(str(value))
    except OSError:
        return False
    return True


def keep_others(device: str) -> bool:
    """Make sure that the end of one address never takes others of its subnet along. False where it cannot be had.

    Without `promote_secondaries` the kernel deletes every secondary address with its primary one; an address of ours is
    the primary where the interface has no base address in that subnet. The setting is left on: whoever deletes the next
    one (pulse, too) finds it so, and systemd's default is the same.
    """
    return get(device, "promote_secondaries") > 0 or put(device, "promote_secondaries", 1)


def _read(device: str, key: str, conf: str = _CONF) -> int:
    try:
        with open(f"{conf}/{device}/{key}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0
