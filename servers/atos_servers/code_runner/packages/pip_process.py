"""pip in a process that can start no other: `python -I -m ...pip_process PARENT ARGUMENTS`.

`--only-binary :all:` does not cover a dependency that is given by URL: pip would fetch a source
archive and run its build. A build is always a process of its own, so a process that can start none
builds nothing. An audit hook is enough for that: what runs here is pip, never a package.
"""

from __future__ import annotations

import contextlib
import errno
import runpy
import sys

from atos_servers.code_runner.sandbox import kernel

STARTING = frozenset(
    {
        "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system",
        "pty.spawn", "subprocess.Popen",
    }
)  # fmt: skip
REFUSED = "an installation may not start a program"


def _refuse_programs(event: str, _arguments: tuple[object, ...]) -> None:
    if event in STARTING:
        raise PermissionError(errno.EPERM, REFUSED)


def main() -> None:
    """Run pip with the arguments of this process."""
    parent = int(sys.argv.pop(1))
    with contextlib.suppress(OSError):  # only Linux has this
        kernel.die_with(parent)
    sys.addaudithook(_refuse_programs)
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
