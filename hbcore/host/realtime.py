"""What a process of ours asks of the scheduler and of memory, and how it hears no.

Owns SCHED_RR, mlockall and oom_score_adj. Invariant: nothing here fails a start; each call returns a code for `words`,
"" where it was granted. Must stay small: pulse imports it (ctypes comes only when memory is really locked).
"""

from __future__ import annotations

import os
import resource

PRIORITY = 10  # above every ordinary task, below the kernel's own threads (50)
PROTECTED = -900  # the last to go when memory runs out, yet not immune

_CAP_IPC_LOCK = 14
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def schedule(priority: int = PRIORITY) -> str:
    """SCHED_RR for this process; children fall back to the ordinary class by themselves. "realtime-refused" or ""."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError:
        return "realtime-refused"  # also to root: a child cgroup without a real-time budget
    return ""


def refused() -> str:
    """What `schedule` would say to this process, which stays as it is.

    Without SCHED_RESET_ON_FORK: an ordinary user who has set that may not take it back (sched(7)).
    """
    policy, place = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    except OSError:
        return "realtime-refused"
    os.sched_setscheduler(0, policy, place)
    return ""


def ordinary() -> None:
    """Undo, in a child that starts services: they must not inherit our place. Raising oom_score_adj is never denied."""
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    if _oom_score() < 0:
        protect(0)


def lock_memory() -> str:
    """Keep the pages we touched in memory. "memlock-limit" where a limit stands, "memlock-refused", or "".

    The limit is asked first: under a small RLIMIT_MEMLOCK mlockall succeeds and every later allocation fails. Pages are
    locked as they are touched (MCL_ONFAULT), so the process does not grow by all it has mapped.
    """
    if not _may_lock():
        return "memlock-limit"
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
        return "memlock-refused"
    return ""


def protect(score: int = PROTECTED) -> str:
    """Set oom_score_adj of this process; children inherit it (see `ordinary`). "oom-refused" or ""."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(score))
    except OSError:
        return "oom-refused"
    return ""


def _oom_score() -> int:
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        return int(file.read())


def _may_lock() -> bool:
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return soft == resource.RLIM_INFINITY or (_first_user_namespace() and bool(_effective() >> _CAP_IPC_LOCK & 1))


def _effective() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return next((int(line.split()[1], 16) for line in file if line.startswith("CapEff:")), 0)


def _first_user_namespace() -> bool:
    """Root of an unprivileged user namespace shows every capability, but this one counts in the first one only."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split() == ["0", "0", "4294967295"]
