"""The manual pages hbcored(8), hbctl(8) and hbcore-ha.cf(5), made from the grammar and from the tables of directives.

Owns their layout in roff's man macros. Invariant: every command, option and directive is there, because nothing is
listed by hand; what stands around the lists is in `words`. Pure.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator

from hbcore import __version__
from hbcore.formats import directives, ha_cf
from hbcore.words import say


def pages() -> dict[str, str]:
    """Name of the file -> its text."""
    from hbcore.cli import grammar, hbcored

    return {
        "hbctl.8": "".join(_hbctl(grammar.build())),
        "hbcored.8": "".join(_hbcored(hbcored.build())),
        "hbcore-ha.cf.5": "".join(_ha_cf()),
    }


def _hbctl(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield _title("hbctl", 8, say("hbctl-about"))
    yield _section("SYNOPSIS", [f".B hbctl\n{_usage(parser)}\n.I COMMAND\n[\\&...]\n"])
    yield _section("DESCRIPTION", _prose("man-hbctl"))
    yield _section("OPTIONS", _options(parser))
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    yield ".SH COMMANDS\n"
    everywhere = {option for action in parser._actions for option in action.option_strings}
    for name, command in commands.choices.items():
        words = " ".join(_word(action) for action in command._actions if not action.option_strings)
        yield f".SS {_text(f'{name} {words}'.strip())}\n{_text(command.description or '')}\n"
        yield from _options(command, everywhere)
    yield _section("EXIT STATUS", _prose("man-exits"))
    yield _section("ENVIRONMENT", _prose("man-environment"))
    yield _section("EXAMPLES", [".nf\n", _text(say("hbctl-epilog").partition("\n\n")[0].partition("\n")[2]), "\n.fi\n"])
    yield _see("hbcored(8)", "hbcore-ha.cf(5)")


def _hbcored(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield _title("hbcored", 8, say("hbcored-about"))
    yield _section("SYNOPSIS", [f".B hbcored\n{_usage(parser)}\n"])
    yield _section("DESCRIPTION", _prose("man-hbcored"))
    yield _section("OPTIONS", _options(parser))
    yield _section("SIGNALS", _prose("man-signals"))
    yield _section("SERVICE", _prose("man-service"))
    yield _section("FILES", _prose("man-files"))
    yield _section("EXIT STATUS", _prose("man-hbcored-exits"))
    yield _see("hbctl(8)", "hbcore-ha.cf(5)", "systemctl(1)")


def _ha_cf() -> Iterator[str]:
    yield _title("hbcore-ha.cf", 5, say("man-ha-cf-about"))
    yield _section("DESCRIPTION", _prose("man-ha-cf"))
    honoured = sorted(directives.HONOURED)
    yield _section("DIRECTIVES", (_item(name, say(f"man-cf-{name}")) for name in honoured))
    examples = [ha_cf.EXAMPLES[name] for name in honoured if name in ha_cf.EXAMPLES]
    yield _section("EXAMPLES", [".nf\n", _text("\n".join(examples)), "\n.fi\n"])
    idle = (_item(name, say(idle.why, option=name)) for name, idle in sorted(directives.IDLE.items()))
    yield _section("WITHOUT EFFECT", idle)
    yield _section(
        "REFUSED", (_item(name, say(code, option=name)) for name, code in sorted(directives.REFUSED.items()))
    )
    yield _see("hbcored(8)", "hbctl(8)")


# -- the parts of a page -----------------------------------------------------------------------------------------------


def _title(name: str, section: int, about: str) -> str:
    head = f'.TH "{name.upper()}" {section} "" "hbtui {__version__}" "hbtui: heartbeat clusters"\n'
    return f'.\\" made by hbctl install-service\n{head}.SH NAME\n{_text(name)} \\- {_text(about.rstrip("."))}\n'


def _section(name: str, body: Iterable[str]) -> str:
    return f".SH {name}\n{''.join(body)}"


def _prose(code: str) -> Iterator[str]:
    for paragraph in say(code).split("\n\n"):
        yield f".PP\n{_text(paragraph)}\n"


def _item(tag: str, text: str) -> str:
    return f".TP\n.B {_text(tag)}\n{_text(text)}\n"


def _usage(parser: argparse.ArgumentParser) -> str:
    given = (_spelled(action) for action in parser._actions if action.option_strings)
    return " ".join(f"[{_text(text)}]" for text in given)


def _options(parser: argparse.ArgumentParser, but: Iterable[str] = ()) -> Iterator[str]:
    """Options, and the words of a command that have a text of their own."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
            continue
        if action.option_strings and set(action.option_strings) <= set(but):
            continue
        if action.option_strings or action.help:
            yield _item(_spelled(action), (action.help or "").replace("%%", "%"))


def _spelled(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else f" {_word(action)}"
    return ", ".join(option + value for option in action.option_strings) or _word(action)


def _word(action: argparse.Action) -> str:
    if action.metavar is not None:
        word = str(action.metavar)
    else:
        word = "|".join(action.choices) if action.choices else action.dest.upper()
    return f"[{word}]" if action.nargs == "?" and not action.option_strings else word


def _see(*others: str) -> str:
    named = (other.partition("(") for other in others)
    return _section("SEE ALSO", [" ,\n".join(f".BR {name} ({number}" for name, _, number in named), "\n"])


def _text(text: str) -> str:
    """As roff takes it: no line is a request, no character an escape."""
    shown = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in shown.split("\n"))
