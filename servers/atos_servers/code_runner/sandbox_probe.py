"""The sandbox ladder: which rung this machine has, found by running each one.

Having the binary or the kernel's version proves nothing: user namespaces may be refused by
AppArmor or by a container, Landlock by a boot parameter. So a rung counts when a launcher confined
by it tried to read, write and connect outside and was refused each time. ENOSYS and EPERM alike
mean that a rung is missing.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from atos_protocol.errors import SandboxUnavailableError
from atos_servers.code_runner import bubblewrap
from atos_servers.code_runner.execution import LAUNCHER, execute, sandbox_environment
from atos_servers.code_runner.interpreter import interpreter
from atos_servers.code_runner.sandbox import landlock
from atos_servers.code_runner.sandbox.job import Job, Limits, Rung
from atos_servers.code_runner.stream import read_stream
from atos_servers.code_runner.workplace import Workplace, workplace

Policy = Literal["general", "catalogue"]
PROBE_SECONDS = 10.0
ORDER: tuple[Rung, ...] = ("bwrap", "landlock", "seccomp")

SAYS: Mapping[Rung, str] = {
    "bwrap": "bubblewrap (own processes, network and view of the disk) with Landlock where the "
    "kernel has it, seccomp and limits",
    "landlock": "Landlock and seccomp with limits: no bubblewrap here, so process ids are the "
    "machine's, tests can't open a socket, and the disk quota is checked twice a second",
    "seccomp": "seccomp only: neither bubblewrap nor Landlock here. Catalogue code alone: no "
    "imports, checked by rules, run in a process of its own that can open no file",
}

RAISE_BWRAP = "Install bubblewrap from the distribution: apt install bubblewrap (never from PyPI)."
RAISE_NAMESPACES = (
    "bubblewrap is there but user namespaces are refused. On Ubuntu 24.04: apt install "
    "apparmor-profiles, then ln -s /usr/share/apparmor/extra-profiles/bwrap-userns-restrict "
    "/etc/apparmor.d/ and apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict. In a "
    "container: allow unshare and clone with user namespaces in its seccomp profile."
)
RAISE_LANDLOCK = (
    "Landlock is missing: use Linux 5.13 or newer with landlock among the boot parameter lsm=, "
    "and a container profile that allows the landlock_* calls."
)
RAISE_SECCOMP = "seccomp is missing: this kernel or container refuses prctl(PR_SET_SECCOMP)."


@dataclass(frozen=True, slots=True)
class SandboxProbe:
    """What was found: the best rung and why the ones above it are missing."""

    rung: Rung | None
    missing: Mapping[Rung, str]
    landlock: int
    """Version of the kernel's Landlock interface; 0 when there is none."""
    bwrap: str
    """Path of bubblewrap; empty when there is none."""

    @property
    def says(self) -> str:
        """The rung in words."""
        if self.rung is None:
            return "no sandbox: code is not run at all"
        return SAYS[self.rung]

    @property
    def raise_it(self) -> list[str]:
        """What to do to get a better rung, best first; empty on the top one."""
        steps: list[str] = []
        if "bwrap" in self.missing:
            steps.append(RAISE_NAMESPACES if self.bwrap else RAISE_BWRAP)
        if "landlock" in self.missing:
            steps.append(RAISE_LANDLOCK)
        if "seccomp" in self.missing:
            steps.append(RAISE_SECCOMP)
        return steps

    def choose(self, policy: Policy) -> Rung:
        """Return the rung to run on.

        Raises:
            SandboxUnavailableError: what is here is too weak for such code.
        """
        if self.rung is None or (self.rung == "seccomp" and policy != "catalogue"):
            found = "; ".join(f"{rung}: {why}" for rung, why in self.missing.items())
            message = f"no sandbox on this machine is strong enough for {policy} code ({found})"
            raise SandboxUnavailableError(message, next_step=" Or: ".join(self.raise_it))
        return self.rung


def job_in(place: Workplace, rung: Rung, ladder: SandboxProbe, **more: object) -> Job:
    """Return a job for a rung, with the paths and the command that the rung needs."""
    python = interpreter()
    job = Job(
        rung=rung,
        folder=str(place.code),
        scratch=str(place.scratch),
        readable=python.readable,
        site=python.site,
        prefix=python.prefix,
        landlock=ladder.landlock,
        run_folder=str(place.folder),
        **more,  # pyright: ignore[reportArgumentType] - the fields of Job
    )
    if rung != "bwrap":
        return job
    return _with_bwrap(job, ladder.bwrap)


def _with_bwrap(job: Job, bwrap: str) -> Job:
    own = str(LAUNCHER.parent)
    view = bubblewrap.View(
        readable=(*job.readable, own, *({job.folder} - set(job.writable))),
        writable=job.writable,
        start_in=job.folder,
        environment=sandbox_environment(job),
    )
    program = (interpreter().executable, "-I", "-S", str(LAUNCHER))
    return replace(job, bwrap=bubblewrap.command(bwrap, view, program))


async def holds(rung: Rung, ladder: SandboxProbe) -> str:
    """Run a rung's doors from inside; return why it does not hold, or nothing when it does."""
    door = socket.create_server(("127.0.0.1", 0))
    with door, workplace() as place, workplace() as elsewhere:
        target = elsewhere.scratch / "secret"
        target.write_text("out of reach", encoding="ascii")
        port = str(door.getsockname()[1])
        limits = Limits(wall=PROBE_SECONDS)
        job = job_in(
            place, rung, ladder, kind="probe", target=str(target), arguments=(port,),
            catalogue=rung == "seccomp", limits=limits,
        )  # fmt: skip
        outcome = await execute(job)
        written = len(list(elsewhere.scratch.iterdir())) > 1
    records = read_stream(bytes(outcome.report.data), outcome.key).records
    told = next((record for record in records if record["event"] == "probe"), None)
    if told is None:
        lines = outcome.stderr.text.strip().splitlines()
        return lines[-1][:200] if lines else outcome.cause or f"ended with {outcome.code}"
    if not told["works"]:
        return "Python does not work inside it: its library can't be read"
    open_doors = [name for name, shut in told["held"].items() if not shut] + ["write"] * written
    return f"left open: {', '.join(open_doors)}" if open_doors else ""


async def probe() -> SandboxProbe:
    """Run the rungs from the top until one holds."""
    bwrap, version = shutil.which("bwrap") or "", landlock.version()
    missing: dict[Rung, str] = {}
    for rung in ORDER:
        ladder = SandboxProbe(rung, dict(missing), version, bwrap)
        if rung == "bwrap" and not bwrap:
            why = "not installed"
        elif rung == "landlock" and not version:
            why = "the kernel does not offer it"
        else:
            why = await holds(rung, ladder)
        if not why:
            return ladder
        missing[rung] = why
    return SandboxProbe(None, missing, version, bwrap)


class Prober:
    """Probes once per process; whoever asks meanwhile waits for the same answer."""

    def __init__(self, known: SandboxProbe | None = None) -> None:
        self._lock = anyio.Lock()
        self._found = known

    async def ladder(self) -> SandboxProbe:
        """Return what this machine has."""
        async with self._lock:
            if self._found is None:
                self._found = await probe()
            return self._found
