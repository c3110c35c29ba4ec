"""The engine decides. Pure: step(now_ns, event) -> effects; no clock, no I/O, no randomness of its own."""
