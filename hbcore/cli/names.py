"""Names as people type them: node1 for node1.xiaofei.com, ht for httpd.

Owns completing them, and finding a resource's group. Invariant: a short form is taken only where exactly one name fits.
"""

from __future__ import annotations

from collections.abc import Sequence

from hbcore.control.errors import ControlError
from hbcore.control.schema import Status


def resolve(kind: str, given: str, known: Sequence[str], *, prefix: bool = True) -> str:
    """The one of `known` that `given` names: itself, its first label, or (with `prefix`) its beginning.

    `kind` is "node", "group" or "resource". Raises ControlError unknown-KIND (naming the nearest) or ambiguous-KIND.
    """
    if given in known:
        return given
    fits = [name for name in known if name.partition(".")[0] == given]
    if not fits and prefix and given:
        fits = [name for name in known if name.startswith(given)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise ControlError(f"ambiguous-{kind}", given=given, fits=", ".join(fits))
    import difflib

    labels = {name.partition(".")[0]: name for name in known}
    near = difflib.get_close_matches(given, [*known, *labels], 1, 0.4)
    nearest = labels.get(near[0], near[0]) if near else ", ".join(known) or "-"
    raise ControlError(f"unknown-{kind}", given=given[:64], nearest=nearest)


def resource(given: str, group: str | None, status: Status) -> tuple[str, str]:
    """The group and the full name of the resource that `given` names, in `group` or, with None, in the only one that
    has it. Raises ControlError as `resolve`, or resource-in-groups.
    """
    groups = status.groups
    if group is not None:
        name = resolve("group", group, [g.name for g in groups])
        groups = [g for g in groups if g.name == name]
    found = resolve("resource", given, list(dict.fromkeys(r.name for g in groups for r in g.resources)))
    fits = [g.name for g in groups if any(r.name == found for r in g.resources)]
    if len(fits) > 1:
        raise ControlError("resource-in-groups", resource=found, groups=", ".join(fits))
    return fits[0], found
