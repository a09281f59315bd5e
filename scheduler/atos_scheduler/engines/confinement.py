"""What an engine worker may do once its libraries are loaded: read its model, and answer on its socket.

    libraries imported -> GPU driver begun (`gpu_driver`) -> Landlock: files -> seccomp: sockets, modes -> model file parsed

A model file comes from anywhere and is parsed in C++. So the process that parses it may read the model,
the interpreter, libraries and the GPU's devices, write nothing but a socket in its own folder, start no
program, and call nobody: Landlock covers neither Unix sockets by path, over which ATOS itself could be asked
for anything, nor modes and owners, which is why seccomp is there too. Standard library only.

The sandbox of the code_runner has Landlock and seccomp as well. It is not shared: nothing outside its folder
can be imported there, and the scheduler may not know the servers.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from atos_scheduler.engines import seccomp

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # on every architecture
WRITE, READ, READ_DIR, REMOVE_FILE, MAKE_SOCK, IOCTL = (1 << bit for bit in (1, 2, 3, 5, 9, 15))
ON_FILES = WRITE | READ | IOCTL
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Interface version -> the rights that it and later ones can take away."""

SYSTEM = (
    "/usr", "/lib", "/lib64", "/opt", "/nix/store", "/run/opengl-driver",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/vulkan", "/etc/OpenCL",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/devices", "/proc/modules",
    "/proc/driver", "/sys/devices", "/sys/bus", "/sys/class", "/sys/module", "/sys/dev",
)  # fmt: skip
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/dev/dri", "/dev/kfd")
PART_OF_MODEL = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def landlock_version() -> int:
    """Return the version of the kernel's Landlock interface; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, _libc.syscall(ctypes.c_long(CREATE_RULESET), None, ctypes.c_size_t(0), 1))


def shortfall() -> str:
    """Say what keeps workers from being confined here; "" where they are."""
    if landlock_version():
        return ""
    return "model files are parsed without Landlock, which this kernel or container lacks"


def confine(model: Path, folder: Path) -> str:
    """Confine this thread and all that it starts, for good; return by what, "" where nothing is there.

    Args:
        model: the file that may be read, and the other parts of a model in several files.
        folder: where a socket may be made.

    Raises:
        OSError: the kernel has Landlock and refused a rule: no model may be parsed then.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would hold prompts
    held = list[str]()
    if version := landlock_version():
        _landlock(version, model, folder)
        held.append(f"landlock {version}")
    if seccomp.is_known():
        seccomp.install()
        held.append("seccomp")
    return ", ".join(held)


def _landlock(version: int, model: Path, folder: Path) -> None:
    handled = next(
        rights for since, rights in sorted(RIGHTS.items(), reverse=True) if version >= since
    )
    network = 3 if version >= 4 else 0  # TCP: neither bind nor connect
    scoped = 3 if version >= 6 else 0  # neither abstract sockets nor signals to others
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _call(CREATE_RULESET, struct.pack("QQQ", handled, network, scoped)[:size], size, 0)
    _allow(ruleset, [*SYSTEM, *_interpreter(), *map(str, _files(model))], READ | READ_DIR, handled)
    _allow(
        ruleset,
        [*DEVICES, *map(str, Path("/dev").glob("nvidia*"))],
        READ | READ_DIR | WRITE | IOCTL,
        handled,
    )
    _allow(ruleset, [str(folder)], MAKE_SOCK | REMOVE_FILE, handled)
    seccomp.no_new_privileges()
    _call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _files(model: Path) -> list[Path]:
    """Return the model's files: one, or all parts of which llama.cpp is given the first."""
    if (found := PART_OF_MODEL.search(model.name)) is None:
        return [model]
    stem, total = model.name[: found.start()], found[1]
    return [
        model.with_name(f"{stem}-{part:05d}-of-{total}.gguf") for part in range(1, int(total) + 1)
    ]


def _interpreter() -> list[str]:
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return [sys.base_prefix, sys.prefix, *(path for path in libraries if path.startswith("/"))]


def _allow(ruleset: int, paths: Iterable[str], rights: int, handled: int) -> None:
    for path in paths:
        try:
            beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # it is not there, or can't be reached anyhow
            continue
        granted = rights & handled
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            granted &= ON_FILES
        _call(ADD_RULE, ruleset, 1, struct.pack("=Qi", granted, beneath), 0)
        os.close(beneath)


def _call(number: int, *arguments: int | bytes) -> int:
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return seccomp.checked(_libc.syscall(ctypes.c_long(number), *words))
