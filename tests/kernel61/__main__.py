"""`make kernel61`: the leases and the guard's tests on Debian 12's own kernel, into docs/measurements/kernel61.txt."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import programs
from tests.kernel61 import boot

PAGE = Path(__file__).parents[2] / "docs/measurements/kernel61.txt"


def main() -> int:
    needed = [path for name in ("ip", "nft") if (path := programs.found(name))]
    told = boot.boot(["-m", "tests.kernel61.suite"], needed)
    PAGE.write_text(told)
    print(told)
    return 0 if "\nstatus 0\n" in told else 1


if __name__ == "__main__":
    sys.exit(main())
