"""Names as people type them: node1 for node1.xiaofei.com, ht for httpd.

Owns completing them. Invariant: a short form is taken only where exactly one name fits.
"""

from __future__ import annotations

from collections.abc import Sequence

from hbcore.control.errors import ControlError


def resolve(kind: str, given: str, known: Sequence[str], *, prefix: bool = True) -> str:
    """The one of `known` that `given` names: itself, its first label, or (with `prefix`) its beginning.

    `kind` is "node" or "group". Raises ControlError unknown-KIND (naming the nearest) or ambiguous-KIND.
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
