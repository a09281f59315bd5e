"""A daemon in small, started by `ensure` in the place of a real one.

How it behaves stands in `SMALL_DAEMON`: `good`, `slow` (half a second to get ready), `broken` (ends
with a reason) or `mute` (never gets ready). Every start appends its pid to the file `starts`.
"""

import os
import signal
import socket
import sys
import time

from atos_protocol.daemons import announce_ready, take_role
from atos_protocol.settings import load_settings


def main() -> int:
    settings = load_settings()
    behaviour = os.environ["SMALL_DAEMON"]
    with (settings.home / "starts").open("a", encoding="utf-8") as starts:
        starts.write(f"{os.getpid()}\n")
    if behaviour == "broken":
        sys.stderr.write("first line\nthe disk is full\n")
        return 1
    take_role("servers", settings)
    if behaviour == "slow":
        time.sleep(0.5)
    if behaviour == "mute":
        signal.pause()
    settings.servers_socket.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(settings.servers_socket))
        listener.listen()
        announce_ready()
        signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
