"""A program that opens many connections to a port and misuses them; it runs in processes of its own.

    python connection_flood.py PORT COUNT

It says `ready` once all of them were tried, goes on opening those that are closed, and ends when its standard
input is closed.
"""

import itertools
import select
import socket
import sys
import time

KINDS = {
    "silent": b"",
    "half-open": b"GET /vram/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-",
    "malformed": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "long": b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000,
    "strange": b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
}
WAIT_SECONDS = 0.1
PAUSE_SECONDS = 0.05
"""After each 20 connections."""


def connect(port: int, first: bytes) -> socket.socket | None:
    """Open one connection and begin with it, without waiting for anything."""
    connection = socket.socket()
    connection.settimeout(WAIT_SECONDS)
    try:
        connection.connect(("127.0.0.1", port))
        connection.setblocking(False)
        connection.send(first)
    except OSError:
        connection.close()
        return None
    return connection


def main() -> None:
    port, count = int(sys.argv[1]), int(sys.argv[2])
    kinds = itertools.cycle(KINDS.values())
    held = [connect(port, next(kinds)) for _ in range(count)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for turn in itertools.cycle(range(count)):
        if turn % 20 == 0:
            time.sleep(PAUSE_SECONDS)
            if select.select([sys.stdin], [], [], 0)[0]:
                return
        connection = held[turn]
        try:
            if connection is not None and connection.send(b"y") == 1:
                continue
        except BlockingIOError:
            continue
        except OSError:
            pass
        if connection is not None:
            connection.close()
        held[turn] = connect(port, next(kinds))


if __name__ == "__main__":
    main()
