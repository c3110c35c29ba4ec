"""What carries heartbeats: their bytes (`wire`), UDP sockets (`udp`) and ICMP to ping nodes (`ping`).

Invariant: nothing listens beyond what the configuration names, and no byte from outside is trusted before it is proven.
Must not know the engine's decisions or the other rooms of the house: only the engine's types.
"""
