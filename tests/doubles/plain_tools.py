"""The filesystem and code_runner servers' tools without servers or a sandbox: real files, really run tests.

Every reply is checked against the output schema of the real tool.
"""

from __future__ import annotations

import ast
import json
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from atos_orchestrator.ports import Json
from atos_protocol.errors import NotFoundError, WorkspaceError
from doubles.plain_evaluation import evaluation
from doubles.tool_schemas import conforming

PACKAGES = sysconfig.get_path("purelib")

RUN_TESTS = """
import inspect, json, linecache, os, pathlib, runpy, sys, tempfile, traceback
from types import SimpleNamespace
packages, root, *files = sys.argv[1:]
sys.path[:] = [root, *sys.path, packages]
cases = []
for file in files:
    names = runpy.run_path(str(pathlib.Path(root, file)))
    for name, test in names.items():
        if name.startswith("test") and callable(test):
            folder = pathlib.Path(tempfile.mkdtemp(dir="."))
            fixtures = {"tmp_path": folder, "monkeypatch": SimpleNamespace(chdir=os.chdir)}
            try:
                test(*(fixtures[wanted] for wanted in inspect.signature(test).parameters))
                cases.append({"id": f"{file}::{name}", "outcome": "passed", "why": "", "judged": "outside"})
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                why = f"{type(error).__name__} {error} at {last.lineno}: {last.line}"
                cases.append({"id": f"{file}::{name}", "outcome": "failed", "why": why, "judged": "outside"})
print(json.dumps(cases))
"""
"""A test runner in a page, because a whole pytest per run would make these suites slow."""


@dataclass
class PlainTools:
    """Implements the `Tools` port; `calls` lists server, tool and arguments."""

    calls: list[tuple[str, str, Json]] = field(default_factory=list[tuple[str, str, Json]])
    at_work: int = 0
    most_at_work: int = 0

    async def __call__(
        self, server: str, tool: str, arguments: Mapping[str, Any], *, roots: Sequence[Path]
    ) -> Json:
        self.calls.append((server, tool, dict(arguments)))
        path = Path(arguments["path"])
        if not any(path.is_relative_to(root) for root in roots):
            raise WorkspaceError(f"{path} is outside of {roots}")
        work = getattr(self, f"_{server}_{tool}")
        return conforming(server, tool, await work(**arguments))

    async def _filesystem_create_directory(self, path: str) -> Json:
        await anyio.Path(path).mkdir(parents=True, exist_ok=True)
        return {"content": f"made {path}"}

    async def _filesystem_write_file(self, path: str, content: str) -> Json:
        await anyio.Path(path).write_text(content)
        return {"content": f"wrote {path}"}

    async def _filesystem_read_text_file(self, path: str) -> Json:
        try:
            return {"content": await anyio.Path(path).read_text()}
        except FileNotFoundError as error:
            raise NotFoundError(f"{path} is not there") from error

    async def _code_runner_check_syntax(self, path: str) -> Json:
        try:
            ast.parse(await anyio.Path(path).read_text())
        except SyntaxError as error:
            fault = {
                "path": path,
                "line": error.lineno,
                "column": error.offset,
                "message": error.msg,
            }
            return {"ok": False, "errors": [fault]}
        return {"ok": True, "errors": []}

    async def _code_runner_evaluate(self, policy: str = "general", **asked: Any) -> Json:
        assert policy in {"general", "catalogue"}
        return await evaluation(**asked)

    async def _code_runner_run_pytest(
        self, path: str, tests: list[str], overlay: dict[str, str], policy: str
    ) -> Json:
        assert policy in {"general", "catalogue"}
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        started = time.time()
        with tempfile.TemporaryDirectory() as folder:
            staged = Path(folder) / "copy"
            shutil.copytree(path, staged, ignore=shutil.ignore_patterns(".git"))
            for name, text in overlay.items():
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                (staged / name).write_text(text)
            command = [sys.executable, "-I", "-S", "-c", RUN_TESTS, PACKAGES, str(staged), *tests]
            done = await anyio.run_process(command, check=False, env={}, cwd=folder)
        ran: list[dict[str, str]] = json.loads(done.stdout) if done.stdout else []
        cases: list[Json] = [case | {"seconds": 0.0} for case in ran]
        self.at_work -= 1
        passed = sum(case["outcome"] == "passed" for case in cases)
        failed = len(cases) - passed
        state = "error" if done.returncode else "failed" if failed else "passed"
        told = [f"{case['id']}: {case['why']}" for case in cases if case["why"]]
        return {
            "ok": state == "passed",
            "state": state,
            "passed": passed,
            "failed": failed,
            "tests": cases,
            "digest": "\n".join(told) or done.stderr.decode()[-2000:],
            "reasons": [],
            "isolation": {"level": "seccomp", "description": "no sandbox: a test double"},
            "interpreter": sys.executable,
            "uid": 0,
            "started_at": started,
            "ended_at": time.time(),
            "limit": "",
            "cpu_s": 0.0,
            "coverage": [],
            "proven": "outside" if state in {"passed", "failed"} else "nothing",
            "explanation": "",
        }
