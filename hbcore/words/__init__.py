"""One catalogue: code -> sentence, used by the command line, the log file and the screens.

Owns every English sentence a person reads from us. Each part of the house has its own module here
(`config`, `engine`, `control`, ...), each with one `SENTENCES: dict[str, str]` of `str.format` templates.
Invariant: a code stands in one module only; `say` never raises, a missing argument or code shows itself.
Must not know anything but strings.
"""

from __future__ import annotations

from collections.abc import Mapping

from hbcore.words import agents, cli, config, control, doctor, engine, explain, init, lab, links, old, service, sim, tui

_PARTS = (config, engine, agents, control, cli, init, explain, doctor, lab, links, old, service, sim, tui)
CATALOGUE: Mapping[str, str] = {code: text for part in _PARTS for code, text in part.SENTENCES.items()}


class _Shown(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def say(code: str, /, **args: object) -> str:
    """The sentence for `code` with `args` filled in; unknown codes come back as themselves."""
    template = CATALOGUE.get(code)
    if template is None:
        return " ".join([code, *(f"{k}={v}" for k, v in args.items())])
    return template.format_map(_Shown(args))
