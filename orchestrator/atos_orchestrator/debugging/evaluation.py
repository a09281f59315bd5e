"""The nodes that decide about what a model wrote: syntax, test runs, and the two ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import anyio

from atos_orchestrator.debugging.attempts import failure_signature
from atos_orchestrator.debugging.generation import code_draft, tests_draft
from atos_orchestrator.debugging.state import DebugContext, DebugState, TaskResult, with_verdict
from atos_orchestrator.debugging.stubs import imported_files, stub_source
from atos_orchestrator.durable_json import encode
from atos_orchestrator.ports import Json
from atos_protocol.verdicts import Verdict

DIGEST_LINES = 40
NOT_RUN: Json = {"ok": False, "state": "error", "passed": -1, "failed": 0, "failing": []}
"""Verdict on code that does not compile: worse than code that passes no test."""


@dataclass(frozen=True, slots=True)
class TestRun:
    """One sandboxed run: which tests, with which files replaced."""

    __test__ = False

    which: Literal["acceptance", "model", "stub"]
    """Acceptance tests on the code; the model's own tests on it; either of the two on a stub."""
    tests: tuple[str, ...]
    overlay: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The deciding nodes of one task's loop."""

    context: DebugContext

    async def syntax(self, state: DebugState) -> Json:
        """Compile what was written."""
        context, at = self.context, state["at"]

        async def work() -> Json:
            faults: list[str] = []
            for path in state["draft"]:
                if path.endswith(".py"):
                    report = await context.workspace.syntax(path)
                    faults += [f"{path}, line {e.line}: {e.message}" for e in report.errors]
            data = {"ok": not faults, "round": state["rounds"]}
            context.emit("syntax_checked", data, key=f"{context.task.id}:syntax:{at}")
            return {"fault": "\n".join(faults[:DIGEST_LINES])}

        done = await context.steps(f"syntax.{at}", work)
        return with_verdict(state, NOT_RUN | {"digest": done["fault"]}) if done["fault"] else done

    async def test(self, state: DebugState) -> Json:
        """Run the tests on the code, and what shows whether the tests prove anything, side by side."""
        context = self.context
        name = f"{state['at']}.{state['tests_version']}"

        async def work() -> Json:
            key = f"{context.task.id}:test:{name.replace('.', ':')}"
            return await self._run_all(await self._runs(state), key, state["rounds"])

        verdicts = await context.steps(f"test.{name}", work)
        verdict, model = verdicts["acceptance"], verdicts.get("model")
        change = with_verdict(state, verdict)
        fault = change["fault"]
        fails_on_stub = bool(stub := verdicts.get("stub")) and stub["state"] == "failed"
        return change | {
            "tests_proven": state["tests_proven"] or fails_on_stub,
            "signature": failure_signature(verdict["state"], verdict["failing"], fault)
            if fault
            else "",
            "keep_model_tests": bool(model and model["ok"]) and fails_on_stub,
        }

    async def _runs(self, state: DebugState) -> list[TestRun]:
        workspace = self.context.workspace
        code = await workspace.recall(code_draft(state["at"]), state["draft"])
        stubs = {path: stub_source(text) for path, text in code.items() if path.endswith(".py")}
        if self.context.task.kind == "test":
            stubs, tests = await self._stubs_of_imports(code), code
        else:
            tests = await self._acceptance_tests(state)
        runs = [TestRun("acceptance", tuple(tests), {**code, **tests})]
        if state["model_tests"]:
            own = await workspace.recall(code_draft(state["at"]), state["model_tests"])
            runs.append(TestRun("model", tuple(own), {**code, **own}))
            runs.append(TestRun("stub", tuple(own), {**stubs, **own}))
        elif stubs and not state["tests_proven"]:
            runs.append(TestRun("stub", tuple(tests), {**stubs, **tests}))
        return runs

    async def _acceptance_tests(self, state: DebugState) -> dict[str, str]:
        supplied = self.context.strategy.acceptance_tests(self.context.task)
        if supplied is not None:
            return supplied
        draft = tests_draft(state["tests_version"])
        return await self.context.workspace.recall(draft, state["tests"])

    async def _stubs_of_imports(self, tests: Mapping[str, str]) -> dict[str, str]:
        """Return stubs of the modules that a test task's file imports from the worktree."""
        found: dict[str, str] = {}
        for path in imported_files("\n".join(tests.values())):
            if source := await self.context.workspace.read_if_exists(path):
                found[path] = stub_source(source)
        return found

    async def _run_all(self, runs: Sequence[TestRun], key: str, round_: int) -> Json:
        """Run all at the same time and emit `tests_run` for each; return which -> short verdict."""
        context, verdicts = self.context, dict[str, Json]()

        async def one(run: TestRun) -> None:
            policy = context.strategy.sandbox_policy
            short = shorten_verdict(await context.workspace.pytest(run.tests, run.overlay, policy))
            shown = {name: short[name] for name in short if name not in {"digest", "failing"}}
            data = {"which": run.which, "round": round_} | shown
            context.emit("tests_run", data, key=f"{key}:{run.which}")
            verdicts[run.which] = short

        async with anyio.create_task_group() as group:
            for run in runs:
                group.start_soon(one, run)
        return {run.which: verdicts[run.which] for run in runs}

    async def accept(self, state: DebugState) -> Json:
        """Put the accepted files, and the tests that stay with them, in their places."""
        context, at = self.context, state["at"]

        async def work() -> Json:
            files = await context.workspace.recall(code_draft(at), state["draft"])
            files |= await self._acceptance_tests(state)
            if state["keep_model_tests"]:
                files |= await context.workspace.recall(code_draft(at), state["model_tests"])
            for path, text in files.items():
                await context.workspace.write(path, text)
            for path in {} if state["keep_model_tests"] else state["model_tests"]:
                text = (
                    f"{path} was dropped: it fails on the accepted code or passes on a stub of it"
                )
                context.emit("warning", {"text": text}, key=f"{context.task.id}:model_tests:{at}")
            return {"files": sorted(files)}

        done = await context.steps(f"finish.{at}", work)
        return {"outcome": encode(self._result(state, tuple(done["files"])))}

    async def give_up(self, state: DebugState) -> Json:
        """Report what failed, for whoever helps."""
        return {"outcome": encode(self._result(state, None))}

    def _result(self, state: DebugState, files: tuple[str, ...] | None) -> TaskResult:
        verdict, model = state["verdict"], state["model"]
        digest = state["fault"] or "the tests also pass on an empty stub, so they prove nothing"
        return TaskResult(
            outcome="needs_help" if files is None else "done",
            rounds=state["rounds"],
            files=files or (),
            passed=max(0, verdict.get("passed", 0)),
            failed=verdict.get("failed", 0),
            pool=model.get("pool", ""),
            model=model.get("model", ""),
            engine=model.get("engine", ""),
            isolation=verdict.get("isolation", ""),
            uid=verdict.get("uid"),
            interpreter=verdict.get("interpreter", ""),
            digest="\n".join(digest.splitlines()[:DIGEST_LINES]) if files is None else "",
        )


def shorten_verdict(verdict: Verdict) -> Json:
    """Return what the loop and people need of a verdict; a step's record keeps it for ever."""
    lines = [*verdict.reasons, *verdict.digest.splitlines()[:DIGEST_LINES]]
    return {
        "ok": verdict.ok,
        "state": verdict.state,
        "passed": verdict.passed,
        "failed": verdict.failed,
        "failing": [test.id for test in verdict.tests if test.outcome != "passed"][:20],
        "digest": "\n".join(lines[:DIGEST_LINES]),
        "isolation": verdict.isolation.level,
        "uid": verdict.uid,
        "interpreter": verdict.interpreter,
        "started_at": verdict.started_at,
        "ended_at": verdict.ended_at,
    }
