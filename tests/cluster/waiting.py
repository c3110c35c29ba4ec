"""A server that says who it is and then nothing, and a client of it that only waits: to see what becomes of it.

Runs in the lab's machines. The client prints one JSON line: how its connection ended, and when (time.monotonic, which
all machines of the lab share). Must not know the cluster.

    python waiting.py serve PORT
    python waiting.py wait ADDRESS PORT SOURCE_PORT SECONDS
"""

from __future__ import annotations

import errno
import json
import socket
import sys
import time


def serve(port: int) -> None:
    """Of both families on one socket, as many servers do it."""
    held = []
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        client, _ = server.accept()
        client.sendall(socket.gethostname().encode() + b"\n")
        held.append(client)


def wait(address: str, port: int, source_port: int, seconds: float) -> dict[str, object]:
    """`ended`: the name of an errno, "closed", or "" where it still waited in the end."""
    with socket.create_connection((address, port), 5, ("", source_port)) as sock:
        server = sock.recv(100).decode().strip()
        print(server, file=sys.stderr, flush=True)
        sock.settimeout(seconds)
        try:
            ended = "more" if sock.recv(1) else "closed"
        except TimeoutError:
            ended = ""
        except OSError as error:
            ended = errno.errorcode[error.errno or 0]
    return {"server": server, "ended": ended, "at": time.monotonic()}


if __name__ == "__main__":
    match sys.argv[1:]:
        case "serve", port:
            serve(int(port))
        case "wait", address, port, source_port, seconds:
            print(json.dumps(wait(address, int(port), int(source_port), float(seconds))))
        case _:
            raise SystemExit(__doc__)
