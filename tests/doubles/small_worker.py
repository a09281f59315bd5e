"""A worker in small: speaks the control protocol of the real one and writes down what it hears.

`python small_worker.py MODE LOG --control-fd N`. Modes: `good` ends with its socket; `stubborn` must
be killed; `broken` ends at once with status 3; `waiting` reports that its database is away, and at the next
message that it is back.
"""

import json
import signal
import socket
import sys
from pathlib import Path


def main() -> int:
    mode, log, _, fd = sys.argv[1:]
    if mode == "broken":
        return 3
    control = socket.socket(fileno=int(fd))
    control.sendall(b'{"op":"ready"}\nnoise\n{"op":"event","goal":"g1","seq":4}\n')
    health = {"op": "database", "state": "degraded", "why": "gone", "todo": "", "since": 1.0}
    if mode == "waiting":
        control.sendall(json.dumps(health).encode() + b"\n")
    with control.makefile("rb") as lines, Path(log).open("a", encoding="utf-8") as heard:
        for line in lines:
            print(json.loads(line)["op"], file=heard, flush=True)
            if mode == "waiting":
                control.sendall(json.dumps(health | {"state": "ok"}).encode() + b"\n")
    if mode == "stubborn":
        signal.pause()
    with Path(log).open("a", encoding="utf-8") as heard:
        print("drained", file=heard)
    return 0


if __name__ == "__main__":
    sys.exit(main())
