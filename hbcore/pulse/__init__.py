"""Pulse: the small process that keeps the beat. hbcored *is* pulse; the daemon is its child."""
