"""The small grammars: times, switches, whole numbers, addresses, device and node names.

Invariant: each reader returns either a value or a `Fault` (code and arguments), never raises, and reads what heartbeat
reads, strictly: where heartbeat guesses ("12abc" is 12, "5msx" is 5 ms) a Fault says what to write.
Must not know directives, files or sentences.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from hbcore.engine.beat import MAX_NAME
from hbcore.engine.config import MS, SECOND

MAX_TIME_NS = 24 * 3600 * SECOND
MAX_DEVICE = 15  # IFNAMSIZ - 1
ON = frozenset({"true", "on", "yes", "y", "1"})
OFF = frozenset({"false", "off", "no", "n", "0"})

_TIME = re.compile(r"([0-9]{1,9}\.?[0-9]{0,9}|\.[0-9]{1,9})([a-z]*)")
_UNITS_US = {"": 1_000_000, "ms": 1000, "msec": 1000, "us": 1, "usec": 1}
# Units that heartbeat's other parser (the CRM's) knows, and so people write them; in seconds.
_FOREIGN = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
_NODE = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_DEVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a word cannot be read: a code for `words` and its arguments."""

    code: str
    args: tuple[tuple[str, str], ...] = ()


def fault(code: str, /, **args: object) -> Fault:
    return Fault(code, tuple((key, str(value)) for key, value in args.items()))


def spell(ns: int) -> str:
    """A time as ha.cf writes it: "2" for whole seconds, else "350ms" (or "1500us")."""
    if ns % SECOND == 0:
        return str(ns // SECOND)
    return f"{ns // MS}ms" if ns % MS == 0 else f"{ns // 1000}us"


def show(ns: int) -> str:
    """A time as a person reads it: "2 s", "6.05 s", "350 ms"."""
    if ns % SECOND == 0:
        return f"{ns // SECOND} s"
    if ns > SECOND and ns % MS == 0:
        return f"{ns / SECOND:g} s"
    return f"{ns // MS} ms" if ns % MS == 0 else f"{ns // 1000} us"


def time_ns(word: str) -> int | Fault:
    """Nanoseconds. Seconds unless `ms`, `msec`, `us` or `usec` follows directly; fractions allowed."""
    match = _TIME.fullmatch(word.lower())
    if match is None:
        return fault("time-bad", word=word)
    number, unit = match.groups()
    whole, _, part = number.partition(".")
    if unit in _FOREIGN:
        seconds = int(whole or "0") * _FOREIGN[unit]
        if seconds * SECOND > MAX_TIME_NS:  # what we would offer instead would be refused as well
            return fault("time-too-long", word=word)
        if part:
            return fault("time-unit", word=word, write=f"{int(float(number) * _FOREIGN[unit] * 1000)}ms", unit=unit)
        return fault("time-unit-whole", word=word, write=seconds, ms=f"{seconds * 1000}ms", unit=unit)
    if unit not in _UNITS_US:
        return fault("time-unit-unknown", word=word, unit=unit, number=number)
    ns = int(whole or "0") * _UNITS_US[unit] * 1000 + int((part + "000000000")[:9]) * _UNITS_US[unit] // 1_000_000
    if ns > MAX_TIME_NS:
        return fault("time-too-long", word=word)
    return ns


def is_unit(word: str) -> bool:
    return word.lower() in _UNITS_US or word.lower() in _FOREIGN


def switch(word: str) -> bool | Fault:
    """heartbeat's booleans, in any case."""
    if word.lower() in ON:
        return True
    if word.lower() in OFF:
        return False
    return fault("switch-bad", word=word)


def whole(word: str, low: int, high: int) -> int | Fault:
    """A whole number in low..high."""
    if re.fullmatch(r"[0-9]{1,9}", word) is None:
        digits = re.match(r"[0-9]{1,9}", word)
        if digits is not None and low <= int(digits.group()) <= high:
            return fault("number-trailing", char=word[digits.end()], at=digits.end(), write=int(digits.group()))
        return fault("number-bad", word=word, low=low, high=high)
    if not low <= int(word) <= high:
        return fault("number-range", word=word, low=low, high=high)
    return int(word)


def ipv4(word: str) -> str | Fault:
    """A dotted quad, each part 0..255 without leading zeros (010 is 8 to some tools and 10 to others)."""
    parts = word.split(".")
    if len(parts) != 4 or not all(re.fullmatch(r"[0-9]{1,9}", p) for p in parts):
        if is_ipv6(word):
            return fault("ipv6-not-yet", word=word)
        if re.fullmatch(r"[0-9.]+", word):
            return fault("ipv4-parts", word=word, count=len([p for p in parts if p]))
        return fault("ipv4-bad", word=word)
    for part in parts:
        if int(part) > 255:
            return fault("ipv4-octet", word=word, part=part)
        if len(part) > 1 and part.startswith("0"):
            return fault("ipv4-zero", word=word, part=part, write=".".join(str(int(p)) for p in parts))
    return word


def is_ipv6(word: str) -> bool:
    try:
        ipaddress.IPv6Address(word.partition("/")[0].partition("%")[0])
    except ValueError:
        return False
    return True


def host_ipv4(word: str) -> str | Fault:
    """An address one machine can have: not multicast, loopback, "this host" or broadcast."""
    read = ipv4(word)
    if isinstance(read, Fault):
        return read
    address = ipaddress.IPv4Address(read)
    if address.is_multicast:
        return fault("ipv4-multicast", word=word)
    if address.is_loopback or int(address) >> 24 in (0, 255) or address.is_reserved:
        return fault("ipv4-nobody", word=word)
    return read


def host_ipv6(word: str) -> str | Fault:
    """An address one machine can have on a network, in its canonical form (RFC 5952)."""
    if word[:1] == "[" or word[-1:] == "]":
        return fault("ipv6-brackets", word=word, write=word.strip("[]") or "the bare address")
    text, percent, zone = word.partition("%")
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        if text.count("::") > 1 or ":::" in text:
            return fault("ipv6-gaps", word=word)
        return fault("ipv6-bad", word=word)
    if percent:
        return fault("ipv6-zone", word=word, write=f"{address}/64/{zone or 'eth0'}")
    if address.is_multicast:
        return fault("ipv4-multicast", word=word)
    if address.is_unspecified or address.is_loopback:
        return fault("ipv4-nobody", word=word)
    if address.ipv4_mapped is not None:
        return fault("ipv6-mapped", word=word, write=address.ipv4_mapped)
    if address.is_reserved:  # of no network yet, the old ::1.2.3.4 among them
        return fault("ipv6-reserved", word=word)
    return str(address)


def device(word: str) -> str | Fault:
    """A network device's name; heartbeat's alias form eth0:0 names a label, not a device."""
    base, colon, _ = word.partition(":")
    if colon and _DEVICE.fullmatch(base):
        return fault("device-alias", word=word, device=base)
    if len(word) > MAX_DEVICE or _DEVICE.fullmatch(word) is None:
        return fault("device-bad", word=word, limit=MAX_DEVICE)
    return word


def node(word: str) -> str | Fault:
    """A node's name as `uname -n` prints it, folded to lower case as heartbeat does."""
    name = word.lower()
    if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", name):
        return fault("node-is-address", word=word)
    if len(name) > MAX_NAME or _NODE.fullmatch(name) is None:
        return fault("node-bad", word=word, limit=MAX_NAME)
    return name


def path(word: str) -> str | Fault:
    """An absolute path of a file."""
    if not word.startswith("/") or word.endswith("/") or len(word) > 1024:
        return fault("path-bad", word=word)
    return word


def directory(word: str) -> str | Fault:
    """An absolute path of a directory."""
    return path(word.rstrip("/")) if word.strip("/") else fault("path-bad", word=word)
