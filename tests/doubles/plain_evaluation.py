"""code_runner's `evaluate` without a sandbox: a process per candidate, the real rules for each row."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio

from atos_servers.code_runner.evaluation import Evaluated

SERVERS = Path(__file__).parents[2] / "servers"
RUN = """
import importlib, json, sys
servers, root, *modules = sys.argv[1:]
sys.path[:0] = [root, servers]
from atos_servers.code_runner.sandbox import assertion, canonical
asked = json.load(sys.stdin)
try:
    names = assertion.names_of({name: importlib.import_module(name) for name in modules})
except BaseException as error:
    why = "error: not loaded"
    rows, values = [why] * len(asked["assertions"]), [why] * len(asked["calls"])
    print(json.dumps({"load": canonical.described(error), "rows": rows, "values": values}))
else:
    rows = [assertion.prepared_assertion(text)(assertion.space_of(names)) for text in asked["assertions"]]
    values = [assertion.prepared_call(text)(assertion.space_of(names)) for text in asked["calls"]]
    print(json.dumps({"load": "", "rows": rows, "values": values}))
"""


async def _one(path: str, files: dict[str, str], modules: tuple[str, ...], asked: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder) / "copy"
        shutil.copytree(path, staged, ignore=shutil.ignore_patterns(".git"))
        for name, text in files.items():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / name).write_text(text)
        command = [sys.executable, "-I", "-S", "-c", RUN, str(SERVERS), str(staged), *modules]
        done = await anyio.run_process(command, input=asked.encode(), cwd=folder, env={})
    return json.loads(done.stdout.splitlines()[-1])


async def evaluation(
    path: str,
    candidates: list[dict[str, str]],
    assertions: list[str],
    calls: list[str],
    modules: list[str] | None = None,
) -> dict[str, Any]:
    """Return the reply of the tool; cells share a process, so none may hang, exit or crash."""
    assert 0 < len(candidates) <= 12  # what the real tool takes
    assert len(calls) <= 60
    asked = Evaluated(tuple(candidates), tuple(assertions), tuple(calls), tuple(modules or ()))
    text = json.dumps({"assertions": assertions, "calls": calls})
    started = time.time()
    found = [
        await _one(path, files, asked.modules_of(index), text)
        for index, files in enumerate(candidates)
    ]
    return {
        "candidates": found,
        "isolation": {"level": "seccomp", "description": "no sandbox: a test double"},
        "interpreter": sys.executable,
        "uid": 0,
        "started_at": started,
        "ended_at": time.time(),
        "proven": "in-process",
        "explanation": "",
    }
