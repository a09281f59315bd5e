"""The nodes in which a model writes: tests, code, and what it thinks went wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from atos_orchestrator.agents.model_request import Reply, ask
from atos_orchestrator.agents.prompts import (
    REFLECTION_SCHEMA,
    Failure,
    Sampling,
    reflection_request,
    tests_request,
)
from atos_orchestrator.agents.replies import ReplyError, read_files
from atos_orchestrator.debugging.attempts import code_signature, next_attempt
from atos_orchestrator.debugging.output_checks import code_fault, test_fault, undeclared_fault
from atos_orchestrator.debugging.state import DebugContext, DebugState
from atos_orchestrator.debugging.stubs import signatures
from atos_orchestrator.ports import Json
from atos_orchestrator.strategies.strategy import WrittenCode
from atos_orchestrator.task import test_file
from atos_protocol.errors import LengthError

RETRY_TEMPERATURE = 0.4
"""Of tests that are written once more."""


def tests_draft(version: int) -> str:
    """Return the name under which a version of the tester's tests is kept."""
    return f"tests-{version}"


def code_draft(at: int) -> str:
    """Return the name under which an attempt's files are kept."""
    return f"attempt-{at}"


@dataclass(frozen=True, slots=True)
class Generation:
    """The generating nodes of one task's loop."""

    context: DebugContext
    doubts_tests: Callable[[DebugState, Json], bool]

    async def tests(self, state: DebugState) -> Json:
        """Let the tester write the tests; from then on they are frozen."""
        context, version = self.context, state["tests_version"] + 1
        key = f"{context.task.id}:tests:{version}"
        path = test_file(context.task)

        async def work() -> Json:
            request = tests_request(
                context.task,
                await self._signatures(),
                _fault_of_tests(state),
                self._sampling(state, 0.0 if version == 1 else RETRY_TEMPERATURE, version),
            )
            try:
                reply = await ask(context.chat, context.emit, request, key=key)
                source = read_files(reply.text, [path])[path]
            except (LengthError, ReplyError) as error:
                return {"fault": str(error), "tests": {}}
            if fault := test_fault(source):
                return {"fault": fault, "tests": {}}
            hashes = await context.workspace.draft(tests_draft(version), {path: source})
            await context.workspace.write(path, source)
            self._emit_written(path, hashes[path], state, key)
            return {"fault": "", "tests": hashes}

        done = await context.steps(f"tests.{version}", work)
        return done | {"tests_version": version, "tests_proven": False, "reflection": {}}

    async def code(self, state: DebugState) -> Json:
        """Let the model write, or repair, the task's files."""
        context, at = self.context, state["at"]
        attempt = context.attempts[at]
        key = f"{context.task.id}:code:{at}"

        async def work() -> Json:
            before = await self._best_code(state) if attempt.mode == "fix" else {}
            failure = await self._failure(before, state) if before else None
            known = await self._signatures()
            request = context.strategy.code_request(context.task, attempt, known, failure)
            data = {"round": state["rounds"]}
            try:
                reply = await ask(context.chat, context.emit, request, key=key, data=data)
                written = context.strategy.read_code(context.task, reply.text)
            except (LengthError, ReplyError) as error:
                return {"fault": str(error), "draft": {}, "model_tests": {}, "model": {}}
            return await self._keep(written, before, reply, state, key)

        done = await context.steps(f"code.{at}", work)
        return done | {"model": done["model"] or state["model"], "signature": ""}

    async def _keep(
        self,
        written: WrittenCode,
        before: Mapping[str, str],
        reply: Reply,
        state: DebugState,
        key: str,
    ) -> Json:
        model = {"pool": reply.pool, "model": reply.model, "engine": reply.engine}
        fault = code_fault(written.files, before)
        if fault := fault or await undeclared_fault(self.context, written.files):
            return {"fault": fault, "draft": {}, "model_tests": {}, "model": model}
        workspace, version = self.context.workspace, code_draft(state["at"])
        draft = await workspace.draft(version, written.files)
        tests = await workspace.draft(version, written.tests)
        for path, text in written.files.items():
            await workspace.write(path, text)
            self._emit_written(path, draft[path], state, key)
        return {"fault": "", "draft": draft, "model_tests": tests, "model": model}

    async def reflect(self, state: DebugState) -> Json:
        """Pick the next attempt; if it is a repair, let a model name the cause first."""
        context, at = self.context, state["at"]
        mark = f"{state['signature'] or state['fault'][:200]}|{code_signature(state['draft'])}"
        stuck = mark in state["seen"]
        following = next_attempt(context.attempts, at, stuck=stuck)
        repairs = following is not None and context.attempts[following].mode == "fix"
        key = f"{context.task.id}:reflect:{at}:{state['tests_version']}"

        async def work() -> Json:
            reflection = (
                await self._reflection(state, key) if repairs and state["best"] >= 0 else {}
            )
            cause = str(reflection.get("cause") or state["fault"].partition("\n")[0])[:200]
            data = {"cause": cause, "stuck": stuck, "round": state["rounds"]}
            context.emit("reflected", data, key=f"{key}:reflected")
            return reflection

        reflection = await context.steps(f"reflect.{at}.{state['tests_version']}", work)
        if self.doubts_tests(state, reflection):
            return {"reflection": reflection}
        return {
            "reflection": reflection,
            "seen": [*state["seen"], mark],
            "at": len(context.attempts) if following is None else following,
            "rounds": state["rounds"] + (following is not None),
        }

    async def _reflection(self, state: DebugState, key: str) -> Json:
        failure = await self._failure(await self._best_code(state), state)
        request = reflection_request(self.context.task, failure, self._sampling(state))
        try:
            reply = await ask(self.context.chat, self.context.emit, request, key=key)
            raw: object = json.loads(reply.text)
        except (LengthError, ValueError):
            return {}
        if not isinstance(raw, dict):
            return {}
        found = cast("dict[str, Any]", raw)
        return {name: found[name] for name in REFLECTION_SCHEMA["required"] if name in found}

    def _sampling(self, state: DebugState, temperature: float = 0.0, seed: int = 0) -> Sampling:
        attempts = self.context.attempts
        pool = attempts[min(state["at"], len(attempts) - 1)].pool
        return Sampling(pool, temperature, seed)

    async def _best_code(self, state: DebugState) -> dict[str, str]:
        if state["best"] < 0:
            return {}
        return await self.context.workspace.recall(code_draft(state["best"]), state["best_draft"])

    async def _failure(self, code: Mapping[str, str], state: DebugState) -> Failure:
        draft = tests_draft(state["tests_version"])
        tests = await self.context.workspace.recall(draft, state["tests"])
        rejected = "" if state["draft"] else state["fault"]
        digest = "\n".join(part for part in (rejected, state["best_fault"]) if part)
        return Failure(code, digest, "\n".join(tests.values()), state["reflection"])

    async def _signatures(self) -> str:
        """Return what the task may import: the signatures of the files that it reads."""
        workspace = self.context.workspace
        modules = [path for path in self.context.task.reads if path.endswith(".py")]
        known = {path: signatures(await workspace.read_if_exists(path)) for path in modules}
        return "\n".join(f"# {path}\n{heads}" for path, heads in known.items() if heads)

    def _emit_written(self, path: str, sha: str, state: DebugState, key: str) -> None:
        data = {"path": path, "sha": sha, "round": state["rounds"]}
        self.context.emit("code_written", data, key=f"{key}:written:{path}")


def _fault_of_tests(state: DebugState) -> str:
    """Return why the tests are written once more; empty the first time."""
    doubt = str(state["reflection"].get("cause") or "") if state["tests"] else ""
    return state["fault"] or doubt or ("they passed on an empty stub" if state["tests"] else "")
