"""The leases, then all of the guard's tests that ask a kernel, on this one: `python -m tests.kernel61.suite [WORD]`.

Owns the lines "OK ..." and "NOT ...". Invariant: each test has a process and a network namespace of its own, as
`in_namespace` gives it. Must not know what is tested.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from types import ModuleType

from tests.kernel61 import leases
from tests.unit import test_host_guard
from tests.unit.links_net import Net


def bodies(module: ModuleType) -> dict[str, Callable[[], None]]:
    tests = {name: getattr(test, "__wrapped__", None) for name, test in vars(module).items() if name[:5] == "test_"}
    return {name: body for name, body in tests.items() if body is not None}


def passes(body: Callable[[], None]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            Net().__enter__()  # for good: a test may have given up the right to leave
            body()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def main() -> int:
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    bad = leases.main()
    for name, body in bodies(test_host_guard).items():
        if word in name:
            begun = time.monotonic()
            good = passes(body)
            bad += not good
            print("OK" if good else "NOT", f"{name} ({time.monotonic() - begun:.1f} s)", flush=True)
    print("kernel", os.uname().release, "FAILED" if bad else "PASSED", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
