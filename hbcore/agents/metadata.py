"""What an agent says about itself: an OCF agent's meta-data, an init script's header, a unit's description.

Owns reading these texts. Pure. Invariant: a text of any content gives a description or none, never an exception; no
entity is ever expanded. Must not know where the agents are.
Format: OCF resource agent API 1.1, "Metadata"; LSB 5.0, "Comment Conventions for Init Scripts"; systemd.unit(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

_LINE = re.compile(r"^[#;]?[ \t]*(Short-Description|Description)[ \t]*[:=][ \t]*(\S.*)$", re.I | re.M)


@dataclass(frozen=True, slots=True)
class Parameter:
    """`default`: None where there is none. `kind`: string | integer | boolean | ..., as the agent wrote it."""

    name: str
    required: bool
    kind: str
    default: str | None
    short: str
    about: str


@dataclass(frozen=True, slots=True)
class Description:
    """`about`: lines. `parameters`: the required ones first, else as the agent has them."""

    short: str = ""
    about: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()


def of_xml(text: str) -> Description | None:
    """None where it is no OCF meta-data."""
    if "<!ENTITY" in text:
        return None
    try:
        start = text.find("<")  # some print a warning before it
        root = ElementTree.fromstring(text[start:])  # noqa: S314 -- no entities, and bounded
    except (ElementTree.ParseError, ValueError):
        return None
    if root.tag != "resource-agent":
        return None
    parameters = [_parameter(one) for one in root.iterfind("parameters/parameter")]
    parameters.sort(key=lambda parameter: not parameter.required)
    about = (root.findtext("longdesc") or "").strip().splitlines()
    return Description(_line(root.findtext("shortdesc")), tuple(line.rstrip() for line in about), tuple(parameters))


def _parameter(one: ElementTree.Element) -> Parameter:
    content = one.find("content")
    if content is None:
        content = ElementTree.Element("content")
    required = one.get("required", "").lower() in ("1", "true", "yes")
    return Parameter(
        one.get("name", "?"), required, content.get("type", "string"), content.get("default"),
        _line(one.findtext("shortdesc")), _line(one.findtext("longdesc")),
    )  # fmt: skip


def of_text(text: str) -> Description:
    """The description in the comments of a script, or in a unit's file."""
    found = {name.lower(): said for name, said in reversed(_LINE.findall(text))}
    return Description(_line(found.get("short-description") or found.get("description")))


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
