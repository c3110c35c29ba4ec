"""Word wrap of toned text, with a hanging indent under the label.

Owns `wrap`. Invariant: nothing is lost, and no line is wider than asked. Must not know widgets.
"""

from __future__ import annotations

import re

from rich.cells import cell_len, chop_cells

from hbtui.spark import Run

MOST_INDENT = 12
_TOKENS = re.compile(r"\s+|\d[\d.]* (?:us|ms|s|min|h|bit)\b\S*|\S+")  # a figure stays with its unit


def wrap(runs: tuple[Run, ...], width: int) -> list[tuple[Run, ...]]:
    """`runs` on lines of at most `width` cells; later lines hang under the end of a short first run (the label)."""
    first = cell_len(runs[0][0]) if runs else 0
    indent = first if len(runs) > 1 and first <= MOST_INDENT and first * 3 <= width else 0
    lines: list[tuple[Run, ...]] = []
    line: list[Run] = []
    used = 0
    for number, (text, tone) in enumerate(runs):
        for token in [text] if number == 0 and indent else _TOKENS.findall(text):
            size = cell_len(token)
            if used + size > width and used > indent:
                lines.append(tuple(line))
                line, used = [(" " * indent, "text")] if indent else [], indent
                if token.isspace():
                    continue
            for piece in chop_cells(token, max(1, width - indent)) if size > width - used else [token]:
                if used + cell_len(piece) > width and used > indent:
                    lines.append(tuple(line))
                    line, used = [(" " * indent, "text")] if indent else [], indent
                line.append((piece, tone))
                used += cell_len(piece)
    lines.append(tuple(line))
    return lines
