"""`make stories`: tells every story anew and writes it below its scenario, for a person to read the difference.

    python -m tests.stories [NAME ...]

Owns the files' shape: the scenario, a line `---`, the tale. Invariant: the scenario is never touched.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hbcore.cli import tale
from hbcore.engine.config import MS
from hbcore.sim import story

FOLDER = Path(__file__).parent
LINE = "---\n"


def scenario(text: str) -> str:
    return text.partition(LINE)[0]


def told(text: str) -> str:
    """The scenario and its tale."""
    head = scenario(text)
    plan, seconds = story.parse(head)
    world, judge = story.play(plan, seconds)
    lines = [line.rstrip() + "\n" for line in tale.lines(story.tale(world))]
    both = [
        f"two owners of {o.group} for {((o.until_ns or world.now) - o.from_ns) // MS} ms: {o.hole or 'NO HOLE'}\n"
        for o in judge.overlaps
    ]
    return head + LINE + "".join(lines + both)


def main() -> int:
    for path in sorted(FOLDER.glob("*.story")):
        if len(sys.argv) < 2 or path.stem in sys.argv[1:]:
            before = path.read_text()
            after = told(before)
            path.write_text(after)
            print(f"{'same   ' if before == after else 'CHANGED'} {path.stem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
