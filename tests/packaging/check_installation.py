"""What pip users get: a wheel and an sdist, each installed into a clean environment, reach a goal.

    python tests/packaging/check_installation.py [PYTHON ...]      default: the interpreter that runs this

No checkout, no make: the installed `atos-client` alone, in an empty home. Exit code 1 if a step fails.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOAL = "Write a Python function to add two numbers"
LIBRARY = "from atos import Atos, Goal; assert Atos.connect and Goal.events"
KEPT = ("PATH", "LANG", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")
STEP_SECONDS = 600


def environment(home: Path) -> dict[str, str]:
    """Return what a new user's shell has: an empty home, and what pip needs to reach its index."""
    kept = {
        name: os.environ[name] for name in os.environ if name in KEPT or name.startswith("PIP_")
    }
    return {**kept, "HOME": str(home), "ATOS_HTTP_PORT": "0", "ATOS_OLLAMA_URL": ""}


def run(*command: object, env: dict[str, str], cwd: Path) -> str:
    """Run one step; a failed one says everything and ends the script."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=STEP_SECONDS
    )
    if done.returncode:
        print(f"exit {done.returncode}: {' '.join(words)}\n{done.stdout}\n{done.stderr}")
        sys.exit(1)
    return done.stdout


def build(folder: Path) -> list[Path]:
    """Build the wheel and the sdist from the tree."""
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    run(*command, env=dict(os.environ), cwd=ROOT)
    return sorted(folder.iterdir())


def check(python: str, artifact: Path, folder: Path) -> str:
    """Install one artifact and build a goal with it; return the summary of the goal."""
    home = folder / "home"
    home.mkdir()
    env = environment(home)
    run(python, "-m", "venv", folder / "venv", env=env, cwd=folder)
    bin_folder = folder / "venv" / "bin"
    pip = [bin_folder / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, artifact, env=env, cwd=folder)
    run(bin_folder / "python", "-c", LIBRARY, env=env, cwd=folder)
    client = bin_folder / "atos-client"
    try:
        lines = run(client, "build", "--json", GOAL, env=env, cwd=folder).splitlines()
    finally:
        run(client, "down", env=env, cwd=folder)
    result = json.loads(lines[-1])
    if result["state"] != "success" or result["tests"]["failed"] or not result["tests"]["passed"]:
        sys.exit(f"the goal ended as {result['state']}: {result}")
    return f"{result['state']}, {result['tests']['passed']} tests passed, {result['isolation']}"


def main(pythons: list[str]) -> None:
    """Check every artifact with every interpreter."""
    pythons = pythons or [sys.executable]
    with tempfile.TemporaryDirectory(prefix="atosp", ignore_cleanup_errors=True) as place:
        artifacts = build(Path(place) / "dist")
        for number, python in enumerate(pythons):
            for artifact in artifacts:
                folder = Path(place) / f"{number}-{artifact.suffix.strip('.')}"
                folder.mkdir()
                began = time.monotonic()
                found = check(python, artifact, folder)
                print(f"{python} {artifact.name}: {found} ({time.monotonic() - began:.0f} s)")
    print(f"{len(artifacts) * len(pythons)} passed, 0 failed")


if __name__ == "__main__":
    main(sys.argv[1:])
