"""Figures as people read them: durations, ages, latencies, clock times, short node names.

Owns their formats and fixed widths. Invariant: pure, never raises on a finite number. Must not know widgets.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "min": 60_000.0, "h": 3_600_000.0}


def duration(seconds: float | None) -> str:
    """At most 6 cells: 8s, 2m05s, 3h07m, 3d04h, 412d; "-" where unknown."""
    if seconds is None:
        return "-"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    if whole < 100 * 86400:
        return f"{whole // 86400}d{whole % 86400 // 3600:02}h"
    return f"{whole // 86400}d"


def latency(ms: float | None) -> str:
    """At most 8 cells: 0.04 ms, 38.1 ms, 1.2 s; "-" where unknown."""
    if ms is None:
        return "-"
    if ms < 0.1:
        return f"{ms:.2f} ms"
    if ms < 100:
        return f"{ms:.1f} ms"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def age(seconds: float) -> str:
    """0.3 s, 14 s, then as `duration`."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    return f"{seconds:.0f} s" if seconds < 60 else duration(seconds)


def clock(unix: float) -> str:
    """Local wall-clock time, HH:MM:SS."""
    return time.strftime("%H:%M:%S", time.localtime(unix))


def day_clock(unix: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix))


def milliseconds(text: str) -> float | None:
    """ "500 ms", "12s", "0.5 s", as a status value writes it; None where it is no duration."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", text)
    if match is None or (match[2] or "s") not in _UNITS_MS:
        return None
    return float(match[1]) * _UNITS_MS[match[2] or "s"]


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Node names without the domain they all share: node1.example.com -> node1, as long as they stay distinct."""
    short = {name: name.split(".", 1)[0] for name in names}
    domains = {name.partition(".")[2] for name in names}
    numeric = any(part.isdigit() for part in short.values())
    if len(domains) != 1 or numeric or len(set(short.values())) != len(short):
        return {name: name for name in names}
    return short


def shorten(text: str, short: Mapping[str, str]) -> str:
    """A sentence with the short names of `short_names` in it; commands take them as well."""
    names = sorted((name for name in short if short[name] != name), key=len, reverse=True)
    if not any(name in text for name in names):
        return text
    pattern = r"(?<![\w.-])(" + "|".join(map(re.escape, names)) + r")(?![\w-])"
    return re.sub(pattern, lambda found: short[found[0]], text)
