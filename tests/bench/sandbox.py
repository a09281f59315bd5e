"""`make bench NAME=sandbox`: what a confined run costs beside pytest without a sandbox, in CPU and in time.

Two tests by bare pytest, by a launcher that is started (cold) and by one that a zygote forks (warm), and a matrix of 5
candidates and 12 assertions in one warm run. Rounds are interleaved. CPU is the kernel's account of each tree, so a
busy machine blurs it little; the limits hold for it. Processes left over are counted at the end.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import psutil

from atos_servers.code_runner import pytest_runs
from atos_servers.code_runner import runner as runner_module
from atos_servers.code_runner.evaluation import Evaluated
from atos_servers.code_runner.execution import Outcome, execute
from atos_servers.code_runner.runner import Runner
from bench.table import report, row
from doubles.runners import ready_zygote

ROUNDS = int(os.environ.get("ROUNDS", "9"))
CODE = "def add(a, b):\n    return a + b\n"
TESTS = (
    "from impl import add\n\n\ndef test_one():\n    assert add(1, 2) == 3\n\n\n"
    "def test_two():\n    assert add(2, 2) == 4\n"
)
CANDIDATES, ASSERTIONS = 5, 12
COLD, WARM, MATRIX = 1.25, 0.25, 2.0
QUIET = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}

used = [0.0]
"""Seconds of CPU of the launchers since it was last emptied."""


async def counted(*job: object, **how: object) -> Outcome:
    """Execute a job and add up its CPU time."""
    outcome = await execute(*job, **how)  # pyright: ignore[reportArgumentType]
    used[0] += outcome.cpu_seconds
    return outcome


def bare(folder: Path) -> None:
    """Run pytest without a sandbox."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    subprocess.run(
        [*command, "--rootdir", str(folder)],
        cwd=folder, env=os.environ | QUIET, capture_output=True, check=True,
    )  # fmt: skip


async def passed(runner: Runner, folder: Path) -> None:
    """Run the tests in the sandbox; they pass."""
    run = await runner.tests(folder, [folder])
    if run.judgement.state != "passed":
        raise RuntimeError(run.judgement.digest)


async def matrix(runner: Runner, folder: Path) -> None:
    """Evaluate all candidates; all assertions hold."""
    candidates = tuple({"m.py": f"{CODE}# {number}\n"} for number in range(CANDIDATES))
    asked = Evaluated(
        candidates, tuple(f"assert add({n}, 1) == {n + 1}" for n in range(ASSERTIONS)), ()
    )
    run = await runner.evaluation(folder, [folder], asked)
    if any(set(outcome.rows) != {"pass"} for outcome in run.outcomes):
        raise RuntimeError(run.outcomes)


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def main() -> None:
    """Measure in interleaved rounds, print the tables and write `build/bench/sandbox*.json`."""
    runner_module.execute = pytest_runs.execute = counted
    cpu: dict[str, list[float]] = {name: [] for name in ("bare", "cold", "warm", "matrix")}
    wall: dict[str, list[float]] = {name: [] for name in cpu}
    with tempfile.TemporaryDirectory(prefix="atosbench") as place:
        folder = Path(place)
        (folder / "impl.py").write_text(CODE)
        (folder / "test_impl.py").write_text(TESTS)
        cold = Runner()
        sandbox = await cold.sandbox()
        async with ready_zygote() as warm:
            fast = Runner(sandbox, warm=warm)
            runs: dict[str, Callable[[], Awaitable[None]]] = {
                "cold": lambda: passed(cold, folder),
                "warm": lambda: passed(fast, folder),
                "matrix": lambda: matrix(fast, folder),
            }
            for _ in range(ROUNDS):
                began, before = time.monotonic(), _children()
                bare(folder)
                wall["bare"].append((time.monotonic() - began) * 1000)
                cpu["bare"].append((_children() - before) * 1000)
                for name, run in runs.items():
                    began, used[0] = time.monotonic(), 0.0
                    await run()
                    wall[name].append((time.monotonic() - began) * 1000)
                    cpu[name].append(used[0] * 1000)
    survivors = psutil.Process().children(recursive=True)
    if survivors:
        raise RuntimeError(survivors)
    for kind, taken in (("sandbox", cpu), ("sandbox-wall", wall)):
        floor = row("bare pytest, two tests", taken["bare"], "ms")
        quick = row(f"warm, limit {WARM} x bare", taken["warm"], "ms", WARM * floor.median)
        rows = [
            row(f"cold, limit {COLD} x bare", taken["cold"], "ms", COLD * floor.median),
            quick,
            row(
                f"5 x 12 matrix, limit {MATRIX} x warm",
                taken["matrix"],
                "ms",
                MATRIX * quick.median,
            ),
            floor,
        ]
        print(f"level {sandbox.level}, processes left over: {len(survivors)}")
        report(kind, rows)


if __name__ == "__main__":
    anyio.run(main)
