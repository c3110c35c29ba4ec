"""An agent of the catalogue as the API tells of it.

Owns that shape. Pure. Must not know how an agent is found or asked.
"""

from __future__ import annotations

from hbcore.agents.catalogue import Entry
from hbcore.control import schema
from hbcore.daemon.snapshot import said


def described(name: str, found: Entry) -> schema.Agent:
    """`name`: as it was asked for."""
    fields = [
        schema.Parameter(name=p.name, required=p.required, type=p.kind, default=p.default, short=p.short, about=p.about)
        for p in found.description.parameters
    ]
    return schema.Agent(
        name=name, kind=found.cls, path=found.path, short=found.description.short,
        about=list(found.description.about), parameters=fields,
        problem=said(found.code, **found.args) if found.code else None,
    )  # fmt: skip
