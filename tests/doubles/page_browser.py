"""A real Chromium on the page of a real host, and goals written into its database event by event."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.event_store import EventStore
from doubles.host_process import HostProcess

Theme = Literal["light", "dark"]
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), "")
PATIENCE_MS = 30_000
"""How long a test waits for what must appear; it is no timing: a loaded machine takes seconds to draw."""
WATCH = """
window.longest = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
}).observe({ type: "longtask", buffered: true });
"""
"""Keeps the longest task of the page's main thread, in milliseconds; the browser tells of those over 50."""

TASKS = [
    {
        "id": f"T{n}",
        "title": f"Write part {n} of the price tracker",
        "complexity": ("simple", "medium", "complex")[n % 3],
        "depends_on": [f"T{n - k}" for k in (3, 5) if n - k > 0],
    }
    for n in range(1, 31)
]


def page_address(host: HostProcess) -> str:
    """Return an address that opens the page once, as `atos-client open` gives it."""
    command = [sys.executable, "-m", "atos.cli.main", "open", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)["url"]


@contextmanager
def chromium() -> Generator[Browser]:
    """Start a browser; where none is installed, the test is skipped and says how to get one."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        program = CHROMIUM or driver.chromium.executable_path
        if not Path(program).exists():
            pytest.skip("no Chromium here: python tests/browser.py fetches one")
        browser = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--js-flags=--expose-gc"]
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser, address: str, *, width: int = 1280, theme: Theme = "light"
) -> Generator[Page]:
    """Open the page in a browser profile of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.add_init_script(WATCH)
    try:
        page.goto(address)
        yield page
    finally:
        context.close()


@dataclass
class WrittenGoal:
    """A goal whose events are written here instead of by a worker."""

    store: EventStore
    id: str
    count: int = 0

    def tell(self, kind: str, task: str = "", **data: Any) -> None:
        """Append an event."""
        self.count += 1
        self.store.append(self.id, kind, data, key=f"{kind}:{self.count}", task=task)

    def begin(self, text: str, repository: Path) -> None:
        """Submit and plan it: thirty tasks."""
        self.tell("goal_submitted", goal=text, repository=str(repository), priority="normal")
        self.tell("goal_started", engine="llama_cpp", models=["qwen2.5-coder:1.5b"])
        self.tell("plan_ready", tasks=TASKS, notes=[])

    def work(self) -> Iterator[None]:
        """Work on it round by round without an end of its own, one event at each step."""
        for task in TASKS:
            self.tell("task_queued", str(task["id"]), pool="atos/simple")
            yield
        number = 0
        while True:
            task = str(TASKS[number % len(TASKS)]["id"])
            number += 1
            self.tell("task_started", task, round=number // 30)
            yield
            asked = {"role": "sample", "model": "qwen2.5-coder:1.5b", "tokens": 120}
            now = time.time()
            self.tell("model_call", task, started_at=now - 1.5, ended_at=now, **asked)
            yield
            self.tell("code_written", task, path="part.py", sha="0" * 40, round=number // 30)
            yield
            self.tell(
                "evaluated", task, candidates=3, rows=8, passed=[8, 5, 7], isolation="landlock"
            )
            yield

    def end(self) -> None:
        """Finish it: all tasks done but one, which asks."""
        for task in TASKS[:-1]:
            self.tell(
                "task_done",
                str(task["id"]),
                state="done",
                rounds=1,
                proof="examples",
                evidence="3 of 3 examples",
            )
        question = {
            "text": "median([1, 2]) gives 1 or 1.5?",
            "call": "median([1, 2])",
            "options": ["1", "1.5"],
        }
        self.tell("task_done", "T30", state="failed", rounds=4, question=question)
        error = {"code": "needs_help", "message": "T30 asks something", "next": "Answer it."}
        self.tell("goal_finished", state="needs_help", error=error)


def written_goal(host: HostProcess, name: str, text: str) -> WrittenGoal:
    """Begin a goal of thirty tasks in the database of a host."""
    engine = open_database(host.settings)
    store = EventStore(engine)
    store.create()
    goal = WrittenGoal(store, name)
    goal.begin(text, host.person / "atos" / name)
    return goal


@contextmanager
def frozen_worker(host: HostProcess) -> Generator[None]:
    """Stop the worker's process meanwhile, so that its reconciler does not end goals that are written here."""
    worker = int(host.until(lambda status: status["worker"]["state"] == "up")["worker"]["pid"])
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def at_rate(steps: Iterator[None], per_second: float, seconds: float) -> int:
    """Take steps at a rate for some time; return how many were taken."""
    begun, taken = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        if taken < passed * per_second:
            next(steps)
            taken += 1
        else:
            time.sleep(0.002)
    return taken
