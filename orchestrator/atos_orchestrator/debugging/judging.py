"""The nodes that judge: syntax, tests, and the two ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from atos_orchestrator.agents import catalogue
from atos_orchestrator.agents.roles import Profile
from atos_orchestrator.debugging.attempts import Attempt, failure_signature
from atos_orchestrator.debugging.evaluation import DIGEST_LINES, EvaluationRun, run_evaluations
from atos_orchestrator.debugging.result import TaskResult, result_to_json
from atos_orchestrator.debugging.state import DebugState, judged
from atos_orchestrator.debugging.stubs import imported_files, stub_source
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.debugging.writing import code_draft, own_tests_file, tests_draft
from atos_orchestrator.ports import Emit, Json, Steps
from atos_orchestrator.strategies.mini.catalogue import gate_source
from atos_orchestrator.task import Task, test_file

NOT_RUN: Json = {"ok": False, "state": "error", "passed": -1, "failed": 0, "failing": []}
"""Verdict on code that does not compile: less than one that passes no test."""


@dataclass(frozen=True, slots=True)
class Judge:
    """The judging nodes of one task's loop."""

    task: Task
    desk: TaskWorkspace
    profile: Profile
    attempts: Sequence[Attempt]
    steps: Steps
    emit: Emit

    async def syntax(self, state: DebugState) -> Json:
        """Compile what was written."""
        at = state["at"]

        async def work() -> Json:
            faults: list[str] = []
            for path in state["draft"]:
                if path.endswith(".py"):
                    report = await self.desk.syntax(path)
                    faults += [
                        f"{path}, line {error['line']}: {error['message']}"
                        for error in report["errors"]
                    ]
            data = {"ok": not faults, "round": state["rounds"]}
            self.emit("syntax_checked", data, key=f"{self.task.id}:syntax:{at}")
            return {"fault": "\n".join(faults[:DIGEST_LINES])}

        done = await self.steps(f"syntax.{at}", work)
        return judged(state, NOT_RUN | {"digest": done["fault"]}) if done["fault"] else done

    async def test(self, state: DebugState) -> Json:
        """Run what judges, and what judges the judge, side by side."""
        at, version = state["at"], state["tests_version"]
        policy = "catalogue" if self.profile == "mini" else "general"

        async def work() -> Json:
            return await run_evaluations(
                self.desk,
                await self._trials(state),
                policy=policy,
                emit=self.emit,
                key=f"{self.task.id}:test:{at}:{version}",
                round_=state["rounds"],
            )

        runs = await self.steps(f"test.{at}.{version}", work)
        verdict = runs["gate"] if self.profile == "mini" else runs["own"]
        proven = state["tests_proven"] or _fails_on_stub(runs)
        change = judged(state, verdict)
        fault = change["fault"]
        signature = failure_signature(verdict["state"], verdict["failing"], fault) if fault else ""
        own = runs.get("own")
        keep = self.profile == "mini" and bool(own and own["ok"]) and _fails_on_stub(runs)
        return change | {"tests_proven": proven, "signature": signature, "keep_own": keep}

    async def _trials(self, state: DebugState) -> list[EvaluationRun]:
        code = await self.desk.recall(code_draft(state["at"]), state["draft"])
        hollow = {path: stub_source(text) for path, text in code.items() if path.endswith(".py")}
        if self.profile == "mini":
            return await self._gate_trials(state, code, hollow)
        if self.task.kind == "test":
            hollow, tests = await self._subjects(code), code
        else:
            tests = await self.desk.recall(tests_draft(state["tests_version"]), state["tests"])
        named = tuple(tests)
        trials = [EvaluationRun("own", named, {**code, **tests}, counts=True)]
        if not state["tests_proven"] and hollow:
            trials.append(EvaluationRun("stub", named, {**hollow, **tests}))
        return trials

    async def _gate_trials(
        self, state: DebugState, code: Mapping[str, str], hollow: Mapping[str, str]
    ) -> list[EvaluationRun]:
        gate = {test_file(self.task): self._gate()}
        trials = [EvaluationRun("gate", tuple(gate), {**code, **gate}, counts=True)]
        if state["own"]:
            own = await self.desk.recall(code_draft(state["at"]), state["own"])
            trials.append(EvaluationRun("own", tuple(own), {**code, **own}))
            trials.append(EvaluationRun("stub", tuple(own), {**hollow, **own}))
        return trials

    async def _subjects(self, tests: Mapping[str, str]) -> dict[str, str]:
        """Return stubs of the modules that a test task's file imports from the worktree."""
        found: dict[str, str] = {}
        for path in imported_files("\n".join(tests.values())):
            if source := await self.desk.read_if_there(path):
                found[path] = stub_source(source)
        return found

    def _gate(self) -> str:
        return gate_source(catalogue.wanted_from_json(self.task.wanted or {}))

    async def accept(self, state: DebugState) -> Json:
        """Put the accepted files, and the tests that stay with them, in their places."""
        at = state["at"]

        async def work() -> Json:
            files = await self.desk.recall(code_draft(at), state["draft"])
            if self.profile == "mini":
                files[test_file(self.task)] = self._gate()
                if state["keep_own"]:
                    files |= await self.desk.recall(code_draft(at), state["own"])
            else:
                files |= await self.desk.recall(tests_draft(state["tests_version"]), state["tests"])
            for path, text in files.items():
                await self.desk.write(path, text)
            if self.profile == "mini" and state["own"] and not state["keep_own"]:
                text = f"{own_tests_file(self.task)} proved nothing and was left out"
                self.emit("warning", {"text": text}, key=f"{self.task.id}:own:{at}")
            return {"files": sorted(files)}

        done = await self.steps(f"finish.{at}", work)
        return {"outcome": result_to_json(self._result("done", state, tuple(done["files"])))}

    async def give_up(self, state: DebugState) -> Json:
        """Say what failed, for whoever helps."""
        return {"outcome": result_to_json(self._result("needs_help", state, ()))}

    def _result(self, outcome: str, state: DebugState, files: tuple[str, ...]) -> TaskResult:
        verdict, model = state["verdict"], state["model"]
        failed = outcome != "done"
        digest = state["fault"] or "the tests also pass on an empty stub, so they prove nothing"
        return TaskResult(
            outcome="needs_help" if failed else "done",
            rounds=state["rounds"],
            files=files,
            passed=max(0, verdict.get("passed", 0)),
            failed=verdict.get("failed", 0),
            pool=model.get("pool", ""),
            model=model.get("model", ""),
            engine=model.get("engine", ""),
            isolation=verdict.get("isolation", ""),
            uid=verdict.get("uid"),
            interpreter=verdict.get("interpreter", ""),
            digest="\n".join(digest.splitlines()[:DIGEST_LINES]) if failed else "",
        )


def _fails_on_stub(runs: Json) -> bool:
    """Tell whether the tests ran to their end on the stub, and failed there."""
    stub = runs.get("stub")
    return bool(stub) and stub["state"] == "failed"
