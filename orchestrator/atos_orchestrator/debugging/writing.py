"""The nodes in which a model writes: tests, code, and what it thinks went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from atos_orchestrator.agents import catalogue
from atos_orchestrator.agents.fences import FenceError, read_files
from atos_orchestrator.agents.model_request import ModelRequest, ask
from atos_orchestrator.agents.prompts import (
    REFLECTION_SCHEMA,
    Failure,
    Manner,
    code_question,
    fix_question,
    reflect_question,
    tests_question,
)
from atos_orchestrator.debugging.attempts import Attempt, code_signature, next_attempt
from atos_orchestrator.debugging.output_checks import refusal, test_fault
from atos_orchestrator.debugging.routes import Routes
from atos_orchestrator.debugging.state import DebugState
from atos_orchestrator.debugging.stubs import signatures
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.ports import Chat, Emit, Json, Reply, Steps
from atos_orchestrator.strategies.mini import dialect
from atos_orchestrator.task import Task, test_file
from atos_protocol.errors import LengthError


def tests_draft(version: int) -> str:
    """Return the name under which a version of the frozen tests is kept."""
    return f"tests-{version}"


def code_draft(at: int) -> str:
    """Return the name under which an attempt's files are kept."""
    return f"attempt-{at}"


def own_tests_file(task: Task) -> str:
    """Return where tests of atos-mini's own lie, beside those of the gate."""
    return test_file(task).removesuffix(".py") + "_own.py"


@dataclass(frozen=True, slots=True)
class Author:
    """The writing nodes of one task's loop."""

    task: Task
    desk: TaskWorkspace
    routes: Routes
    attempts: Sequence[Attempt]
    steps: Steps
    chat: Chat
    emit: Emit

    async def tests(self, state: DebugState) -> Json:
        """Let the tester write the tests, which then are frozen."""
        version = state["tests_version"] + 1
        key = f"{self.task.id}:tests:{version}"
        path = test_file(self.task)
        pool = self.attempts[min(state["at"], len(self.attempts) - 1)].pool
        doubt = str(state["reflection"].get("cause") or "") if state["tests"] else ""
        fault = (
            state["fault"] or doubt or ("they passed on an empty stub" if state["tests"] else "")
        )

        async def work() -> Json:
            manner = Manner(pool, temperature=0.0 if version == 1 else 0.4, seed=version)
            question = tests_question(self.task, await self._signatures(), fault, manner)
            try:
                reply = await ask(self.chat, self.emit, question, key=key)
                source = read_files(reply.text, [path])[path]
            except (LengthError, FenceError) as error:
                return {"fault": str(error), "tests": {}}
            if found := test_fault(source):
                return {"fault": found, "tests": {}}
            hashes = await self.desk.draft(tests_draft(version), {path: source})
            await self.desk.write(path, source)
            self._written(path, hashes[path], state, key)
            return {"fault": "", "tests": hashes}

        done = await self.steps(f"tests.{version}", work)
        return {
            "tests_version": version,
            "tests_proven": False,
            "fault": done["fault"],
            "tests": done["tests"],
            "reflection": {},
        }

    async def code(self, state: DebugState) -> Json:
        """Let the coder write, or repair, the task's files."""
        at = state["at"]
        attempt = self.attempts[at]
        key = f"{self.task.id}:code:{at}"

        async def work() -> Json:
            before = await self._basis(state) if attempt.mode == "fix" else {}
            question = await self._question(attempt, before, state)
            told = {"round": state["rounds"]}
            try:
                reply = await ask(self.chat, self.emit, question, key=key, data=told)
                files, own = self._read(reply)
            except (LengthError, FenceError, dialect.ReplyError) as error:
                return {"fault": str(error), "draft": {}, "own": {}, "model": {}}
            return await self._keep(files, own, before, reply, state, key)

        done = await self.steps(f"code.{at}", work)
        change = {name: done[name] for name in ("fault", "draft", "own")}
        return change | {"model": done["model"] or state["model"], "signature": ""}

    async def _keep(
        self,
        files: Mapping[str, str],
        own: Mapping[str, str],
        before: Mapping[str, str],
        reply: Reply,
        state: DebugState,
        key: str,
    ) -> Json:
        model = {"pool": reply.pool, "model": reply.model, "engine": reply.engine}
        if fault := refusal(files, before):
            return {"fault": fault, "draft": {}, "own": {}, "model": model}
        version = code_draft(state["at"])
        draft = await self.desk.draft(version, files)
        kept = await self.desk.draft(version, own)
        for path, text in files.items():
            await self.desk.write(path, text)
            self._written(path, draft[path], state, key)
        return {"fault": "", "draft": draft, "own": kept, "model": model}

    def _written(self, path: str, sha: str, state: DebugState, key: str) -> None:
        data = {"path": path, "sha": sha, "round": state["rounds"]}
        self.emit("code_written", data, key=f"{key}:written:{path}")

    async def _question(
        self, attempt: Attempt, before: Mapping[str, str], state: DebugState
    ) -> ModelRequest:
        if self.routes.profile == "mini":
            wanted = catalogue.wanted_from_json(self.task.wanted or {})
            heat, seed = attempt.temperature, attempt.seed
            return catalogue.code_question(wanted, temperature=heat, seed=seed)
        manner = Manner(attempt.pool, attempt.temperature, attempt.seed)
        known = await self._signatures()
        if not before:
            return code_question(self.task, known, manner)
        failure = await self._failure(before, state)
        return fix_question(self.task, known, failure, manner)

    def _read(self, reply: Reply) -> tuple[dict[str, str], dict[str, str]]:
        """Return the task's files and atos-mini's own tests."""
        if self.routes.profile == "general":
            return read_files(reply.text, self.task.files), {}
        answer = dialect.parse_code(reply.text)
        own = {own_tests_file(self.task): answer.own_tests} if answer.own_tests else {}
        return {self.task.files[0]: answer.code}, own

    async def _basis(self, state: DebugState) -> dict[str, str]:
        if state["basis"] < 0:
            return {}
        return await self.desk.recall(code_draft(state["basis"]), state["basis_draft"])

    async def _failure(self, code: Mapping[str, str], state: DebugState) -> Failure:
        tests = await self.desk.recall(tests_draft(state["tests_version"]), state["tests"])
        refused = "" if state["draft"] else state["fault"]
        digest = "\n".join(part for part in (refused, state["basis_fault"]) if part)
        return Failure(code, digest, "\n".join(tests.values()), state["reflection"])

    async def _signatures(self) -> str:
        modules = [path for path in self.task.reads if path.endswith(".py")]
        known = {path: signatures(await self.desk.read_if_there(path)) for path in modules}
        return "\n".join(f"# {path}\n{heads}" for path, heads in known.items() if heads)

    async def reflect(self, state: DebugState) -> Json:
        """Decide what to try next, and let a model name the cause where a repair is to follow."""
        at = state["at"]
        mark = f"{state['signature'] or state['fault'][:200]}|{code_signature(state['draft'])}"
        stuck = mark in state["seen"]
        then = next_attempt(self.attempts, at, stuck=stuck)
        repairs = then is not None and self.attempts[then].mode == "fix" and state["basis"] >= 0
        key = f"{self.task.id}:reflect:{at}:{state['tests_version']}"

        async def work() -> Json:
            thought: Json = {}
            if repairs:
                thought = await self._think(state, key)
            cause = str(thought.get("cause") or state["fault"].partition("\n")[0])[:200]
            data = {"cause": cause, "stuck": stuck, "round": state["rounds"]}
            self.emit("reflected", data, key=f"{key}:reflected")
            return thought

        thought = await self.steps(f"reflect.{at}.{state['tests_version']}", work)
        if self.routes.doubted(state, thought):
            return {"reflection": thought}
        return {
            "reflection": thought,
            "seen": [*state["seen"], mark],
            "at": len(self.attempts) if then is None else then,
            "rounds": state["rounds"] + (then is not None),
        }

    async def _think(self, state: DebugState, key: str) -> Json:
        failure = await self._failure(await self._basis(state), state)
        manner = Manner(self.attempts[state["at"]].pool)
        question = reflect_question(self.task, failure, manner)
        try:
            reply = await ask(self.chat, self.emit, question, key=key)
            raw: object = json.loads(reply.text)
        except (LengthError, ValueError):
            return {}
        if not isinstance(raw, dict):
            return {}
        found = cast("dict[str, Any]", raw)
        return {name: found[name] for name in REFLECTION_SCHEMA["required"] if name in found}
