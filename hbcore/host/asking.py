"""What a program of the system prints when asked.

Owns the bounds on such a question. Invariant: no more than LIMIT bytes are read and no more than PATIENCE_S waited, and
the program is gone afterwards. Must not know what is looked for.
"""

from __future__ import annotations

import asyncio
import contextlib

LIMIT = 4 << 20  # bytes; more are not read
PATIENCE_S = 2.0


async def asked(*argv: str) -> bytes | None:
    """Its output; None where there is no such program, it failed, or it took too long."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            limit=LIMIT,
        )  # fmt: skip
    except OSError:
        return None
    assert process.stdout is not None
    text, whole = bytearray(), False
    try:
        async with asyncio.timeout(PATIENCE_S):
            while len(text) < LIMIT and (more := await process.stdout.read(LIMIT - len(text))):
                text += more
            whole = len(text) < LIMIT and await process.wait() == 0
    except TimeoutError:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return bytes(text) if whole else None
