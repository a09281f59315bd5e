"""Confines this process for good: user, limits, Landlock, seccomp, in that order.

Called in the child of the launcher, after everything it needs of ATOS is imported and before
anything that the caller wrote is read. What follows, pytest included, runs confined.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
from pathlib import Path

from atos_servers.code_runner.sandbox import kernel, landlock, privileges, processes, seccomp
from atos_servers.code_runner.sandbox.job import Job, Limits

BWRAP_OWN = ("/proc", "/tmp", "/dev/shm")
"""Private to the sandbox, not the machine's."""


def _set_limit(kind: int, soft: int, hard: int | None = None) -> None:
    most = resource.getrlimit(kind)[1]
    ceiling = hard if hard is not None else soft
    if most != resource.RLIM_INFINITY:
        ceiling = min(ceiling, most)
    resource.setrlimit(kind, (min(soft, ceiling), ceiling))


def limit(limits: Limits, *, tasks_already: int) -> None:
    """Set the limits that the kernel enforces per process; the supervisor watches the rest."""
    seconds = math.ceil(limits.wall) + 1
    _set_limit(resource.RLIMIT_CPU, seconds, seconds + 1)
    _set_limit(resource.RLIMIT_AS, limits.address_space)
    _set_limit(resource.RLIMIT_FSIZE, limits.file_size)
    _set_limit(resource.RLIMIT_NOFILE, limits.open_files)
    _set_limit(resource.RLIMIT_NPROC, limits.processes + tasks_already)
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_MEMLOCK, 65536)


def prefer_as_oom_victim() -> None:
    """Ask the kernel to end this process before others when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _drop_privileges(job: Job, supervisor: int) -> bool:
    """Change the user where we are root of the machine; return whether the code owns nothing."""
    if os.getuid() != 0 or job.level == "bwrap":
        return False
    if not privileges.can_change_user():
        privileges.give_up_all()
        return False
    user = privileges.user_for(supervisor)
    for folder in job.writable:
        _chown_tree(Path(folder), user)
    privileges.become(user, reads_past_modes=True)
    return True


def _chown_tree(folder: Path, user: int) -> None:
    os.chown(folder, user, user)
    for entry in folder.rglob("*"):
        os.chown(entry, user, user, follow_symlinks=False)


def _provided(job: Job, *, own_user: bool) -> seccomp.Provided:
    inside_bwrap = job.level == "bwrap"
    return seccomp.Provided(
        own_network=inside_bwrap,
        own_processes=inside_bwrap,
        landlock=job.landlock if job.level != "seccomp" else 0,
        own_user=own_user or inside_bwrap,
    )


def confine(job: Job, supervisor: int, *, parent: int = 0) -> None:
    """Confine this process as the job's level says.

    Args:
        job: says how.
        supervisor: its process; the code's user is chosen by it.
        parent: the process that made this one, where that is not the supervisor.

    Raises:
        OSError: a restriction could not be applied; nothing untrusted may run then.
    """
    prefer_as_oom_victim()
    dropped = _drop_privileges(job, supervisor)
    if job.level != "bwrap":
        kernel.die_with(parent or supervisor)
    shared_user = not dropped and job.level != "bwrap"
    limit(job.limits, tasks_already=processes.tasks_of_user(os.getuid()) if shared_user else 0)
    provided = _provided(job, own_user=dropped)
    if provided.landlock:
        own = BWRAP_OWN if job.level == "bwrap" else ()
        writable = [*job.writable, *own[1:]]
        landlock.restrict(
            [*job.readable, job.folder, *own[:1]],
            writable,
            interface=provided.landlock,
            own_network=provided.own_network,
        )
    if job.kind == "evaluate" or job.outside:  # nobody opens the memory or pipes of what judges
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if job.level == "seccomp":
        seccomp.install_reading(provided)
    else:
        seccomp.install_general(provided)


def confine_pure(limits: Limits, parent: int) -> None:
    """Confine a process that only computes and answers: it can open, start and reach nothing.

    Raises:
        OSError: a restriction could not be applied.
    """
    prefer_as_oom_victim()
    if privileges.can_change_user():
        privileges.become(privileges.user_for(parent), reads_past_modes=False)
    elif os.getuid() == 0:
        privileges.give_up_all()
    kernel.die_with(parent)
    limit(limits, tasks_already=0)
    seccomp.install_pure()
