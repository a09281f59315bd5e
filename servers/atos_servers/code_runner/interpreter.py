"""The interpreter that runs code in the sandbox, and what it must find there to work."""

from __future__ import annotations

import importlib.util
import os
import site
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from atos_protocol.errors import SandboxUnavailableError
from atos_servers.code_runner.sandbox.job import Job

SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/nix/store")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter and its folders."""

    executable: str
    prefix: str
    site: tuple[str, ...]
    """Where its third-party packages are."""
    readable: tuple[str, ...]
    """Folders that the sandbox must let it read."""


@cache
def this_interpreter() -> Interpreter:
    """Describe the running interpreter; links are followed, because an installation may be one."""
    listed = [*site.getsitepackages(), *_folder_of_pytest()]
    listed += [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    packages = [entry for entry in dict.fromkeys(listed) if Path(entry).is_dir()]
    named = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *packages]
    named += [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib")]
    named += [str(Path(os.path.realpath(sys.executable)).parent.parent)]
    both = [place for name in named for place in (name, os.path.realpath(name))]
    narrow = [place for place in dict.fromkeys(both) if not _too_wide(place)]
    readable = tuple(dict.fromkeys([*(p for p in SYSTEM if Path(p).exists()), *narrow]))
    return Interpreter(sys.executable, sys.prefix, tuple(packages), readable)


def _folder_of_pytest() -> list[str]:
    spec = importlib.util.find_spec("pytest")
    return [str(Path(spec.origin).parent.parent)] if spec and spec.origin else []


def _too_wide(path: str) -> bool:
    home = Path.home()
    return path == "/" or home.is_relative_to(path)


def broken_environment(executable: str, why: str) -> SandboxUnavailableError:
    """Return the error for a run that could not begin: the machine is at fault, not the code."""
    message = f"{executable} can't run code in the sandbox: {why}"
    return SandboxUnavailableError(message, next_step=repair_step(executable))


def repair_step(executable: str) -> str:
    """Return what a person can do about a broken environment."""
    return (
        f"The code was not run. Install what is missing (`{executable} -m pip install pytest`), "
        "or install ATOS again."
    )


def sandbox_environment(job: Job) -> dict[str, str]:
    """Return all the environment variables that the code sees; none are this process's own."""
    return {
        "PATH": f"{job.prefix}/bin:/usr/bin:/bin",
        "HOME": job.scratch,
        "TMPDIR": job.scratch,
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "LANG": "C.UTF-8",
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "OMP_NUM_THREADS": "2",  # one thread per core of a large machine breaks the limits
        "OPENBLAS_NUM_THREADS": "2",
    }
