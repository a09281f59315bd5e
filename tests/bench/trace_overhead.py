"""`make bench NAME=trace-overhead`: what seeing a goal costs the goal, on the goal of `goal-overhead` (20 tasks, SQLite).

Arms (`ARMS`), in turn in each round, each goal in a process and a home of its own: `before`, another checkout (`BEFORE=/path`, left out
without), `off`, this one as it is, `hung`, its traces sent to a receiver that never answers, `sent`, to one that takes them. What is
compared is the goal's own process with its children; the process that sends is no part of it, since it has a core of its own to take.
The interval is of the median of the rounds' ratios, by 2,000 resamples.
"""

from __future__ import annotations

import json
import os
import random
import socket
import statistics
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.table import Row, report, row
from doubles.otlp_receiver import otlp_receiver

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = int(os.environ.get("ROUNDS", "9"))
BEFORE = os.environ.get("BEFORE", "")
ARMS = os.environ.get("ARMS", "").split()
"""Only these; all where none is named."""
COUNT = int(os.environ.get("TASKS", "20"))
FOLDERS = ("servers", "scheduler", "orchestrator", "clients", "tests")
ONE = """
import json, os, subprocess, sys, anyio
import bench.goal_overhead as bench
from bench.private_home import private_home
from atos_orchestrator.execution.event_store import EventStore
to = os.environ.get("TO", "")
with private_home(**({"ATOS_TRACE_TO": to} if to else {})) as settings:
    settings.prepare()
    sender = None
    if to:
        command = [sys.executable, "-m", "atos_orchestrator.live_traces.process"]
        sender = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        listen, bell = EventStore.__init__, sender.stdin.fileno()
        os.set_blocking(bell, False)
        def begun(store, engine):
            listen(store, engine)
            store.listen(lambda goal, seq: os.write(bell, b"\\n"))
        EventStore.__init__ = begun
    found = anyio.run(bench.run_goal, "goal", int(sys.argv[1]))
    if sender is not None:
        sender.stdin.close()
        sender.kill()
        sender.wait()
print(json.dumps([found.seconds, found.processor]))
"""


def run(checkout: Path, to: str = "") -> tuple[float, float]:
    """Run one goal; return its seconds and its seconds of a core."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(checkout / f) for f in FOLDERS),
        "TO": to,
    }
    command = [sys.executable, "-c", ONE, str(COUNT)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    seconds, processor = json.loads(done.stdout.splitlines()[-1])
    return seconds, processor


@contextmanager
def arms() -> Generator[dict[str, tuple[Path, str]]]:
    """Give the arms by name: the checkout, and where traces go."""
    with socket.create_server(("127.0.0.1", 0)) as hung, otlp_receiver() as receiver:
        found = {"before": (Path(BEFORE), "")} if BEFORE else {}
        silent = f"otlp:http://127.0.0.1:{hung.getsockname()[1]}"
        every = found | {
            "off": (ROOT, ""),
            "hung": (ROOT, silent),
            "sent": (ROOT, f"otlp:{receiver.url}"),
        }
        yield {name: arm for name, arm in every.items() if not ARMS or name in ARMS}


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return between what the median of ratios lies, in 95 of 100 resamples."""
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(2000))
    return medians[50], medians[1949]


def main() -> None:
    """Measure in turn, and compare each arm with the first."""
    cores: dict[str, list[float]] = {}
    clocks: dict[str, list[float]] = {}
    with arms() as found:
        for lap in range(ROUNDS):
            names = list(found) if lap % 2 else list(reversed(found))
            for name in names:
                seconds, processor = run(*found[name])
                cores.setdefault(name, []).append(processor)
                clocks.setdefault(name, []).append(seconds)
                print(
                    f"round {lap} {name}: core {processor:.2f} s, clock {seconds:.2f} s", flush=True
                )
        first = next(iter(found))
    rows: list[Row] = [row(f"{name}: a goal, core", cores[name], "s") for name in found]
    rows += [row(f"{name}: a goal, clock", clocks[name], "s") for name in found]
    report("trace-overhead", rows)
    for what, measured in (("core", cores), ("clock", clocks)):
        for name in list(found)[1:]:
            ratios = [
                mine / base for mine, base in zip(measured[name], measured[first], strict=True)
            ]
            low, high = interval(ratios)
            print(
                f"{what}: {name} / {first} = {statistics.median(ratios):.3f} [{low:.3f}, {high:.3f}]"
            )


if __name__ == "__main__":
    main()
