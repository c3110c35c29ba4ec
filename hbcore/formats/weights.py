"""Which groups are light: safe to run twice for a moment (safety.md 1).

Owns the table of agents and scripts known to be light; all others are heavy, since a wrong "heavy" costs minutes and
a wrong "light" costs data. Invariant: pure; the reason goes with the verdict. Must not know files or sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

from hbcore.engine.config import Resource, Weight

LIGHT_SCRIPTS = frozenset(
    {
        "httpd", "apache2", "apache", "nginx", "lighttpd", "haproxy", "squid", "Squid", "varnish", "named", "bind9",
        "ldirectord", "ipvsadm", "SendArp", "MailTo", "Delay", "Dummy",
    }
)  # fmt: skip


def weigh(resources: Sequence[Resource]) -> tuple[Weight, str, str]:
    """Weight, the code that says why, and the resource that decided (the first heavy one, else the first)."""
    heavy = next((r for r in resources if r.agent != "address" and _plain(r) not in LIGHT_SCRIPTS), None)
    if heavy is not None:
        return Weight.HEAVY, "weight-unknown-agent", heavy.name
    return Weight.LIGHT, "weight-known-light", resources[0].name if resources else ""


def _plain(resource: Resource) -> str:
    """The service's own word, without its class."""
    return resource.kind.rpartition(":")[2].removesuffix(".service")
