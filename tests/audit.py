"""Known vulnerabilities of what is installed, by pip-audit: `python tests/audit.py`; the exit status counts.

Without a service that knows vulnerabilities pip-audit either fails, or skips every package and calls that a success.
Neither says anything about the packages, so both are told as what they are, and fail nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

COMMAND = [
    sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--format", "json",
    "--progress-spinner", "off", "--timeout", "10",
]  # fmt: skip
SECONDS = 600


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an audit found."""

    status: int
    """0, 1 with vulnerabilities, 2 if pip-audit itself failed."""
    text: str


def outcome(status: int, out: str, err: str) -> Outcome:
    """Judge what pip-audit said.

    Args:
        status: its exit status.
        out: its standard output: JSON if it came so far.
        err: its standard error.
    """
    try:
        packages: list[dict[str, Any]] = json.loads(out)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (err.strip().splitlines() or ["it said nothing"])[-1][:300]
        if "ServiceError" in err or "ConnectionError" in err or "ConnectTimeout" in err:
            return Outcome(0, f"no audit: no service of vulnerabilities answers ({last})")
        return Outcome(2, f"pip-audit ended with {status}: {last}")
    known = [package for package in packages if "vulns" in package]
    if not known:
        return Outcome(0, f"no audit: the service knows none of {len(packages)} packages")
    lines = [
        f"{package['name']} {package['version']}: {found['id']}, {_mended(found)}"
        for package in known
        for found in package["vulns"]
    ]
    head = f"{len(lines)} known vulnerabilities in {len(known)} of {len(packages)} packages"
    return Outcome(int(bool(lines)), "\n".join([head, *lines]))


def _mended(found: dict[str, Any]) -> str:
    return f"mended in {', '.join(found.get('fix_versions') or ['no version yet'])}"


def main() -> int:
    """Run it and say what came of it."""
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False, timeout=SECONDS)
    told = outcome(done.returncode, done.stdout, done.stderr)
    sys.stdout.write(told.text + "\n")
    return told.status


if __name__ == "__main__":
    sys.exit(main())
