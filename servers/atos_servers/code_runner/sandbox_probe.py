"""Which isolation level this machine offers, found by trying each one.

Having the binary or the kernel version proves nothing: user namespaces may be refused by AppArmor
or by a container, Landlock by a boot parameter. So a level counts when a launcher confined by it
tried to read, write and connect outside and was denied each time. ENOSYS and EPERM both mean that a
level is missing.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import anyio

from atos_protocol.errors import SandboxUnavailableError
from atos_servers.code_runner import bubblewrap
from atos_servers.code_runner.evidence import read_stream
from atos_servers.code_runner.execution import execute
from atos_servers.code_runner.interpreter import (
    Interpreter,
    broken_environment,
    repair_step,
    sandbox_environment,
    this_interpreter,
)
from atos_servers.code_runner.launcher_process import LAUNCHER
from atos_servers.code_runner.remedies import remedies, this_machine
from atos_servers.code_runner.run_folder import RunFolder, run_folder
from atos_servers.code_runner.sandbox import landlock
from atos_servers.code_runner.sandbox.job import IsolationLevel, Job, Limits

Policy = Literal["general", "catalogue"]
PROBE_SECONDS = 10.0
DOUBT_SECONDS = 30.0
"""How long a result counts that trouble of the machine may have weakened."""
NOT_INSTALLED, NOT_OFFERED = "not installed", "the kernel does not offer it"
"""Why a level is missing that no second look would find."""
LEVELS: tuple[IsolationLevel, ...] = ("bwrap", "landlock", "seccomp")

DESCRIPTIONS: Mapping[IsolationLevel, str] = {
    "bwrap": "bubblewrap (own processes, network and view of the disk) with Landlock where the "
    "kernel has it, seccomp and limits",
    "landlock": "Landlock and seccomp with limits: no bubblewrap here, so process ids are the "
    "machine's, tests can't open a socket, and the disk quota is checked twice a second",
    "seccomp": "seccomp only: neither bubblewrap nor Landlock here. Catalogue code alone: no "
    "imports, checked by rules, run in a process of its own that can open no file",
}

TRIED = ("reading a file outside", "writing beside it", "connecting to a local server")
"""What a launcher that is confined by a level tries, and must be denied, before the level counts."""


@dataclass(frozen=True, slots=True)
class SandboxProbe:
    """What a probe found: the best isolation level, and why the stronger ones are missing."""

    level: IsolationLevel | None
    missing: Mapping[IsolationLevel, str]
    landlock: int
    """Version of the kernel's Landlock interface; 0 when there is none."""
    bwrap: str
    """Path of bubblewrap; empty when there is none."""
    python: Interpreter = field(default_factory=this_interpreter)
    broken: str = ""
    """Why the interpreter can't run anything at any level; empty when it can."""

    @property
    def description(self) -> str:
        """What the level protects, in words."""
        if self.level is None:
            return self.broken or "no sandbox: code is not run at all"
        return DESCRIPTIONS[self.level]

    @property
    def is_doubtful(self) -> bool:
        """Whether a stronger level was tried and failed: a full disk or want of processes looks the same."""
        tried = any(why not in {NOT_INSTALLED, NOT_OFFERED} for why in self.missing.values())
        return self.level not in {"bwrap", "landlock"} and tried

    @property
    def remedies(self) -> list[str]:
        """What to do to get a stronger level, strongest first; empty at the strongest."""
        if self.broken:
            return [repair_step(self.python.executable)]
        return remedies(self.missing, this_machine(bwrap=bool(self.bwrap)))

    def choose(self, policy: Policy) -> IsolationLevel:
        """Return the level to run at.

        Raises:
            SandboxUnavailableError: what this machine offers is too weak for such code.
        """
        if self.level is None or (self.level == "seccomp" and policy != "catalogue"):
            found = "; ".join(f"{level}: {why}" for level, why in self.missing.items())
            message = f"no sandbox on this machine is strong enough for {policy} code ({found})"
            raise SandboxUnavailableError(
                self.broken or message, next_step=" Or: ".join(self.remedies)
            )
        return self.level


def job_in(
    folder: RunFolder,
    level: IsolationLevel,
    sandbox: SandboxProbe,
    *,
    packages: tuple[str, ...] = (),
    **more: object,
) -> Job:
    """Return a job at an isolation level, with the paths and the command that the level needs."""
    python = sandbox.python
    job = Job(
        level=level,
        folder=str(folder.code),
        scratch=str(folder.scratch),
        readable=(*python.readable, *packages),
        site=python.site,
        packages=packages,
        prefix=python.prefix,
        executable=python.executable,
        landlock=sandbox.landlock,
        run_folder=str(folder.path),
        **more,  # pyright: ignore[reportArgumentType] - the fields of Job
    )
    if level != "bwrap":
        return job
    return _with_bwrap(job, sandbox.bwrap)


def _with_bwrap(job: Job, bwrap: str) -> Job:
    own = str(LAUNCHER.parent)
    view = bubblewrap.View(
        readable=(*job.readable, own, *({job.folder} - set(job.writable))),
        writable=job.writable,
        start_in=job.folder,
        environment=sandbox_environment(job),
    )
    program = (job.executable, "-I", "-S", str(LAUNCHER))
    return replace(job, bwrap=bubblewrap.command(bwrap, view, program))


async def why_not_isolated(level: IsolationLevel, sandbox: SandboxProbe) -> str:
    """Attempt forbidden accesses from inside; return why the level fails, or nothing when it holds.

    Raises:
        SandboxUnavailableError: the interpreter itself does not work inside.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, run_folder() as inside, run_folder() as elsewhere:
        target = elsewhere.scratch / "secret"
        target.write_text("out of reach", encoding="ascii")
        port = str(listener.getsockname()[1])
        limits = Limits(wall=PROBE_SECONDS)
        job = job_in(
            inside, level, sandbox, kind="probe", target=str(target), arguments=(port,),
            catalogue=level == "seccomp", limits=limits,
        )  # fmt: skip
        outcome = await execute(job)
        written = len(list(elsewhere.scratch.iterdir())) > 1
    records = read_stream(bytes(outcome.report.data), outcome.key).records
    result = next((record for record in records if record["event"] == "probe"), None)
    if result is None:
        return (outcome.last_line or outcome.cause or f"ended with {outcome.code}")[:200]
    if result["broken"]:
        raise broken_environment(sandbox.python.executable, result["broken"])
    allowed = [name for name, denied in result["denied"].items() if not denied]
    allowed += ["write"] * written
    return f"not denied: {', '.join(allowed)}" if allowed else ""


async def probe(python: Interpreter | None = None) -> SandboxProbe:
    """Try the levels from the strongest until one holds."""
    python = python or this_interpreter()
    bwrap, version = shutil.which("bwrap") or "", landlock.version()
    missing: dict[IsolationLevel, str] = {}
    broken = ""
    for level in LEVELS:
        sandbox = SandboxProbe(level, dict(missing), version, bwrap, python)
        if level == "bwrap" and not bwrap:
            why = NOT_INSTALLED
        elif level == "landlock" and not version:
            why = NOT_OFFERED
        else:
            try:
                why = await why_not_isolated(level, sandbox)
            except SandboxUnavailableError as error:
                why = broken = error.message
        if not why:
            return sandbox
        missing[level] = why
    return SandboxProbe(None, missing, version, bwrap, python, broken)


class Prober:
    """Probes once per process, and again where the result is in doubt; concurrent callers wait for the same result."""

    def __init__(
        self, known: SandboxProbe | None = None, python: Interpreter | None = None
    ) -> None:
        self._lock = anyio.Lock()
        self._found = known
        self._python = python
        self._in_doubt_since: float | None = None
        """On anyio's clock; None while there is none."""

    async def sandbox(self) -> SandboxProbe:
        """Return what this machine offers; a broken environment is probed again at each call."""
        async with self._lock:
            if self._found is None:
                found = await self._probed()
                return await self._probed() if found.is_doubtful else found
            if self._found.broken or self._is_doubt_old():
                return await self._probed()
            return self._found

    async def _probed(self) -> SandboxProbe:
        found = self._found = await probe(self._python)
        self._in_doubt_since = anyio.current_time() if found.is_doubtful else None
        return found

    def _is_doubt_old(self) -> bool:
        since = self._in_doubt_since
        return since is not None and anyio.current_time() - since >= DOUBT_SECONDS

    async def proven(self) -> SandboxProbe:
        """Try the level once more, and search anew where it no longer holds."""
        sandbox = await self.sandbox()
        async with self._lock:
            if sandbox.level is None or await why_not_isolated(sandbox.level, sandbox):
                return await self._probed()
            return self._found or sandbox
