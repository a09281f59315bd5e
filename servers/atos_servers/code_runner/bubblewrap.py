"""The bubblewrap command that starts the inner launcher. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TMP_BYTES = 16 * 2**20
SHM_BYTES = 2**20

NAMESPACES = (
    "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
    "--unshare-cgroup-try",
)  # fmt: skip
SYSTEM = (
    "--ro-bind", "/usr", "/usr",
    "--symlink", "usr/bin", "/bin",
    "--symlink", "usr/lib", "/lib",
    "--symlink", "usr/lib64", "/lib64",
    "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
    "--ro-bind-try", "/etc/localtime", "/etc/localtime",
    "--proc", "/proc",
    "--dev", "/dev",
    "--size", str(TMP_BYTES), "--tmpfs", "/tmp",
    "--size", str(SHM_BYTES), "--tmpfs", "/dev/shm",
    "--remount-ro", "/dev",  # a file system in memory, which has no size of its own
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """What the sandbox sees besides the system's own folders, each at its own path."""

    readable: tuple[str, ...]
    writable: tuple[str, ...]
    start_in: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def _binds(option: str, paths: Iterable[str]) -> list[str]:
    # Outer folders first, so that a folder inside another one is not covered by it.
    ordered = sorted(dict.fromkeys(paths), key=lambda path: len(Path(path).parts))
    return [part for path in ordered for part in (option, path, path)]


def command(bwrap: str, view: View, program: Iterable[str]) -> tuple[str, ...]:
    """Return the whole command line.

    `--die-with-parent` follows the spawning thread: bubblewrap must be started by a process's only
    thread, which the supervisor's is.
    """
    inside = [path for path in view.readable if not Path(path).is_relative_to("/usr")]
    variables = [p for name, value in view.environment.items() for p in ("--setenv", name, value)]
    return (
        bwrap, *NAMESPACES, "--die-with-parent", "--new-session", "--clearenv", *variables,
        *SYSTEM, *_binds("--ro-bind", inside), *_binds("--bind", view.writable),
        "--remount-ro", "/", "--chdir", view.start_in, "--hostname", "sandbox",
        "--cap-drop", "ALL", "--", *program,
    )  # fmt: skip
