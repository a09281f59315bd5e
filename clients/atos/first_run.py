"""The first minute on a bare machine: check what is there, set up `.venv`, run what was asked for.

Called by `make` with the machine's own Python, before anything is installed: standard library only,
and no import of the rest of ATOS. What is missing is said in one line that installs it.

    python3 clients/atos/first_run.py goal        # the goal is in ATOS_GOAL; ATOS_PULL fetches a model, ATOS_DEPLOY names a target
    python3 clients/atos/first_run.py run test -- COMMAND...
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
GOAL_HINT = 'make goal GOAL="Write a Python function to add two numbers"'


class Missing(Exception):
    """Something that this machine lacks; the text is what a person reads."""


def has_module(name: str) -> bool:
    """Tell whether this Python can run a module; Debian splits venv and pip off."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"], capture_output=True, check=False, timeout=60
    )
    return done.returncode == 0


def install_line(packages: list[str]) -> str:
    """Return the one line that installs packages here, by the system's package manager."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    wanted = " ".join(packages)
    if shutil.which("apt-get"):
        return f"{sudo}apt-get update && {sudo}apt-get install -y {wanted}"
    if shutil.which("dnf"):
        return f"{sudo}dnf install -y {wanted.replace('python3-venv', 'python3-pip')}"
    if shutil.which("pacman"):
        return f"{sudo}pacman -S --needed {wanted.replace('python3-venv', 'python-pip')}"
    if shutil.which("brew"):
        return f"brew install {wanted.replace('python3-venv', 'python')}"
    return f"install these with your package manager: {wanted}"


def check_machine() -> None:
    """Look for Python, git, make, and a way to make a virtual environment.

    Raises:
        Missing: something isn't there; the message has the line that installs it.
    """
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        message = (
            f"Python {found} is too old; ATOS needs {OLDEST[0]}.{OLDEST[1]} or newer.\n"
            "  Install one and name it: make goal PYTHON=python3.12 GOAL=..."
        )
        raise Missing(message)
    wanted = [tool for tool in ("git", "make") if not shutil.which(tool)]
    if not has_module("venv") or not (has_module("ensurepip") or has_module("pip")):
        wanted.append("python3-venv")
    if wanted:
        message = f"{' and '.join(wanted)} missing. This installs it:\n  {install_line(wanted)}"
        raise Missing(message)


def stamp(extra: str) -> str:
    """Return a digest of all that decides what is installed."""
    facts = [(ROOT / "pyproject.toml").read_text(encoding="utf-8"), extra, sys.version, str(ROOT)]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()


def installed(extra: str) -> bool:
    """Tell whether `.venv` already holds this project with this extra."""
    marks = [VENV / f".atos-{extra or 'run'}"] + ([] if extra else [VENV / ".atos-test"])
    kinds = [extra or "run"] + ([] if extra else ["test"])
    return PYTHON.exists() and any(
        mark.exists() and mark.read_text(encoding="utf-8") == stamp("" if kind == "run" else kind)
        for mark, kind in zip(marks, kinds, strict=True)
    )


def set_up(extra: str) -> None:
    """Make `.venv` and install the project into it; a set-up that is current costs nothing.

    Two at once, such as `make goal` and `make test` in two terminals, take turns.

    Raises:
        Missing: an installation failed; its own output stands above.
    """
    if installed(extra):
        return
    with (ROOT / "pyproject.toml").open(encoding="utf-8") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not installed(extra):
            install(extra)


def install(extra: str) -> None:
    """Do it, and leave a mark by which it is known to be current."""
    print("setting up .venv (once; about a minute) ...", file=sys.stderr, flush=True)
    if not PYTHON.exists():
        bare = [] if has_module("ensurepip") else ["--without-pip"]
        invoke([sys.executable, "-m", "venv", *bare, str(VENV)])
    own = subprocess.run(
        [str(PYTHON), "-m", "pip", "--version"], capture_output=True, check=False, timeout=60
    )
    pip = [str(PYTHON), "-m", "pip"]
    if own.returncode:
        pip = [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    invoke([*pip, "install", *quiet, "--editable", target])
    (VENV / f".atos-{extra or 'run'}").write_text(stamp(extra), encoding="utf-8")


def invoke(command: list[str]) -> None:
    """Run one step of the set-up; all it prints goes to standard error."""
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run(command, check=False, stdout=sys.stderr, env=environment)
    if done.returncode:
        message = f"this failed with exit code {done.returncode}:\n  {' '.join(command)}"
        raise Missing(message)


def main(argv: list[str]) -> int:
    """Check, set up, and become the command that was asked for."""
    try:
        check_machine()
        match argv:
            case ["goal"]:
                goal = os.environ.get("ATOS_GOAL", "")
                if not goal.strip():
                    print(f"make goal needs a goal:\n  {GOAL_HINT}", file=sys.stderr)
                    return 2
                set_up("")
                pull = ["--pull"] if os.environ.get("ATOS_PULL") else []
                target = os.environ.get("ATOS_DEPLOY", "")
                deploy = ["--deploy", target] if target else []
                client = str(VENV / "bin" / "atos-client")
                command = [client, "build", *pull, *deploy, "--", goal]
            case ["run", extra, "--", *command]:
                set_up("" if extra == "run" else extra)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except Missing as missing:
        print(f"atos: {missing}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    path = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execvpe(command[0], command, {**os.environ, "PATH": path})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
