"""Real daemons on one machine: a node is a set of namespaces, the network a bridge, the client a judge.

`python -m hbcore.lab` is the way in, steered by JSON lines (serve.py) or playing one failover (`--once`). Works as
root and, in a user namespace, as anyone. Nothing of it exists outside that process' own namespaces.
Must not be imported by the windows: they start it.
"""
