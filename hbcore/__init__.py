"""hbcore: the high-availability engine and everything it needs on a node."""

__version__ = "0.1.0"
