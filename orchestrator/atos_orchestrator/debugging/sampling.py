"""The nodes that get candidates: from outside, from a model, from others, and by repairing one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from atos_orchestrator.agents.model_request import ModelRequest, ask
from atos_orchestrator.agents.prompts import (
    FENCE,
    KEPT_BYTES,
    Assignment,
    Part,
    Sampling,
    assignment,
    check_request,
    method_request,
)
from atos_orchestrator.agents.repair_prompts import (
    REFLECTION_SCHEMA,
    reflection_request,
    repair_request,
)
from atos_orchestrator.agents.replies import ReplyError, read_json
from atos_orchestrator.debugging.assertions import Assertion
from atos_orchestrator.debugging.by_function import WHOLE_FILE, Focus
from atos_orchestrator.debugging.calls import compared_calls
from atos_orchestrator.debugging.class_completion import MOST_METHODS, continues, unfinished_class
from atos_orchestrator.debugging.error_translation import translated, translations
from atos_orchestrator.debugging.facts import Facts, raised_in, read_state
from atos_orchestrator.debugging.module_parts import combined, without_functions
from atos_orchestrator.debugging.moves import Move
from atos_orchestrator.debugging.refusals import parameters, tries, with_check
from atos_orchestrator.debugging.state import Candidate, DebugContext, DebugState
from atos_orchestrator.debugging.stubs import signatures_of
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.ports import Json
from atos_orchestrator.task import ErrorClause, can_be_run, classes_of, functions_of
from atos_protocol.errors import LengthError

OTHER_CHECK = 0.8
"""Temperature of a second check, where the likeliest one does not help."""

_Request = Callable[[Assignment], Awaitable[ModelRequest]]


def draft_name(number: int) -> str:
    """Return the name under which a candidate's files are kept."""
    return f"candidate-{number}"


async def assigned(context: DebugContext, key: str) -> Assignment:
    """Return the common beginning of the task's prompts; an event says what did not fit."""
    task, workspace = context.task, context.workspace
    files: dict[str, str] = {}
    for path in dict.fromkeys((*task.reads, *task.files)):
        if text := await workspace.read_if_exists(path):
            files[path] = text
    given = assignment(context.goal, task, files, signatures_of)
    for number, cut in enumerate(given.cuts):
        context.emit("warning", {"text": f"shortened {cut}"}, key=f"{key}:cut:{number}")
    return given


@dataclass(frozen=True, slots=True)
class Sampler:
    """The nodes `examples`, `sample`, `combine`, `translate`, `refuse`, `repair` and `escalate` of one task."""

    context: DebugContext

    async def examples(self, state: DebugState) -> Json:
        """Collect what decides before anything is sampled: examples, and candidates from outside."""
        context, task = self.context, self.context.task
        rows = [Assertion(source, "example") for source in task.examples]

        async def work() -> Json:
            drafts: list[Json] = []
            for number, files in enumerate(context.seeds):
                draft = await context.workspace.draft(draft_name(number), files)
                drafts.append(encode(Candidate(draft)))
            data = {
                "examples": len(rows),
                "errors": len(task.errors),
                "tests": int(bool(context.strategy.supplied_tests(task))),
                "seeds": len(drafts),
                "can_be_run": can_be_run(task),
            }
            context.emit("evidence_found", data, key=f"{task.id}:evidence")
            return {"candidates": drafts}

        done = await context.steps("examples", work)
        calls = compared_calls(task.examples, functions_of(task))
        return done | {"assertions": [encode(row) for row in rows], "calls": calls}

    async def sample(self, state: DebugState) -> Json:
        """Draw one candidate, or what is missing of one."""
        plan = self.context.plans[state["stage"]]
        sampling = self.context.strategy.sample(plan, state["sampled"])
        number = len(state["candidates"])
        focus = decode(Move, state["move"]).focus if state["move"] else WHOLE_FILE

        async def request(given: Assignment) -> ModelRequest:
            kept = await self._kept(state, focus)
            part = Part(focus.functions, kept, focus.clauses)
            if len(kept.encode()) > KEPT_BYTES:  # no room for the rest of the reply
                part = Part(clauses=focus.clauses)
            return self.context.strategy.code_request(given, sampling, part)

        fresh = await self._draw("sample", number, request, focus.functions)
        return {"candidates": [*state["candidates"], fresh], "sampled": state["sampled"] + 1}

    async def _kept(self, state: DebugState, focus: Focus) -> str:
        """Return the file without the functions that are to be written; empty where nothing is kept."""
        functions = functions_of(self.context.task)
        kept = {
            name: at
            for name, at in zip(functions, focus.picks, strict=False)
            if name not in focus.functions
        }
        if not kept:
            return ""
        texts = await self.module_texts(state, tuple(kept.values()))
        whole = combined(dict(zip(kept, texts, strict=True))) or texts[0]
        return without_functions(whole, focus.functions)

    async def combine(self, state: DebugState) -> Json:
        """Put the picked functions of several candidates into one module; no model is asked."""
        context, number = self.context, len(state["candidates"])
        picks, facts = decode(Move, state["move"]).picks, read_state(state)
        who = facts.candidates[picks[0]]

        async def work() -> Json:
            texts = await self.module_texts(state, picks)
            text = combined(dict(zip(functions_of(context.task), texts, strict=True)))
            made = Candidate(parts=picks, pool=who.pool, model=who.model, engine=who.engine)
            if text is None:
                fault = "the functions of these candidates do not fit into one module"
                return encode(replace(made, fault=fault))
            path = context.task.files[0]
            draft = await context.workspace.draft(draft_name(number), {path: text})
            shown = {"path": path, "sha": draft[path], "round": number, "parts": picks}
            context.emit("code_written", shown, key=f"{context.task.id}:combine:{number}")
            return encode(replace(made, draft=draft))

        fresh = await context.steps(f"combine.{number}", work)
        return {"candidates": [*state["candidates"], fresh]}

    async def translate(self, state: DebugState) -> Json:
        """Have a candidate raise the stated errors where it raises others; no model is asked."""
        context, number = self.context, len(state["candidates"])
        at, facts = int(state["move"]["candidate"]), read_state(state)
        who, path = facts.candidates[at], context.task.files[0]
        errors = translations(facts, at, functions_of(context.task))

        async def work() -> Json:
            (text,) = await self.module_texts(state, [at])
            made = Candidate(translated=at, pool=who.pool, model=who.model, engine=who.engine)
            if (changed := translated(text, errors)) is None:
                return encode(replace(made, fault="its errors can't be translated"))
            draft = await context.workspace.draft(draft_name(number), {path: changed})
            shown = {"path": path, "sha": draft[path], "round": number, "translated": at}
            context.emit("code_written", shown, key=f"{context.task.id}:translate:{number}")
            return encode(replace(made, draft=draft))

        fresh = await context.steps(f"translate.{number}", work)
        return {"candidates": [*state["candidates"], fresh]}

    async def refuse(self, state: DebugState) -> Json:
        """Put a check in front of a function that does not raise a stated error; a model writes the check alone."""
        context, number = self.context, len(state["candidates"])
        move, facts = decode(Move, state["move"]), read_state(state)
        at, path = move.candidate, context.task.files[0]
        refused = (move.focus.clauses[0], move.focus.functions[0])
        clause = _clause_of(facts, refused)
        again = tries(facts, refused)
        plan, key = context.plans[state["stage"]], f"{context.task.id}:refuse:{number}"
        sampling = Sampling(plan.pool, OTHER_CHECK if again else 0.0, 300 + again)

        async def work() -> Json:
            made = Candidate(guarded=at, refused=refused)
            (text,) = await self.module_texts(state, [at])
            if (names := parameters(text, clause.name)) is None:
                return encode(replace(made, fault=f"{clause.name} can't be given a check"))
            request = check_request(
                await assigned(context, key), clause.name, names, clause, sampling
            )
            try:
                reply = await ask(context.chat, context.emit, request, key=key)
            except LengthError as error:
                return encode(replace(made, fault=error.message))
            made = replace(made, pool=reply.pool, model=reply.model, engine=reply.engine)
            code = reply.text.removeprefix(FENCE)
            changed = with_check(text, clause.name, code, clause.error, clause.text)
            if changed is None:
                return encode(replace(made, fault=f"no check that raises {clause.error}"))
            draft = await context.workspace.draft(draft_name(number), {path: changed})
            shown = {"path": path, "sha": draft[path], "round": number, "guarded": at}
            context.emit("code_written", shown, key=f"{key}:written")
            return encode(replace(made, draft=draft))

        fresh = await context.steps(f"refuse.{number}", work)
        return {"candidates": [*state["candidates"], fresh]}

    async def module_texts(self, state: DebugState, picks: Sequence[int]) -> list[str]:
        """Return the task's one file as each of these candidates has it."""
        facts, path = read_state(state), self.context.task.files[0]
        found = {
            at: await self.context.workspace.recall(draft_name(at), facts.candidates[at].draft)
            for at in dict.fromkeys(picks)
        }
        return [found[at].get(path, "") for at in picks]

    async def repair(self, state: DebugState) -> Json:
        """Mend a candidate once: a mechanical fault, or what a model that can reflect names."""
        at, number = int(state["move"]["candidate"]), len(state["candidates"])
        facts, plan = read_state(state), self.context.plans[state["stage"]]
        broken = facts.candidates[at]
        fact = broken.fault or _first_failure(state, at)
        sampling = Sampling(plan.pool, 0.0, number)

        async def request(given: Assignment) -> ModelRequest:
            code = await self.context.workspace.recall(draft_name(at), broken.draft)
            text = "\n\n".join(code.values())
            thought: Mapping[str, object] = {}
            if plan.reflect:
                thought = await self._reflection(given, text, fact, sampling)
            return repair_request(given, text, fact, sampling, thought)

        fresh = await self._draw("repair", number, request)
        return {"candidates": [*state["candidates"], fresh], "repaired": True}

    async def _reflection(
        self, given: Assignment, code: str, fact: str, sampling: Sampling
    ) -> Mapping[str, object]:
        context, key = self.context, f"{self.context.task.id}:reflect:{sampling.seed}"
        try:
            request = reflection_request(given, code, fact, sampling)
            found = read_json((await ask(context.chat, context.emit, request, key=key)).text)
        except (LengthError, ReplyError):
            return {}
        if not isinstance(found, Mapping):
            return {}
        thought = {name: str(found.get(name) or "") for name in REFLECTION_SCHEMA["required"]}  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        context.emit("reflected", {"cause": thought["cause"]}, key=f"{key}:reflected")
        return thought

    async def _draw(
        self, node: str, number: int, request: _Request, functions: tuple[str, ...] = ()
    ) -> Json:
        """Ask for a candidate and keep it; return it as JSON. `functions` are those that it writes, if not all."""
        context, key = self.context, f"{self.context.task.id}:{node}:{number}"

        async def work() -> Json:
            given = await assigned(context, key)
            data = {"round": number}
            try:
                asked = await request(given)
                reply = await ask(context.chat, context.emit, asked, key=key, data=data)
            except LengthError as error:
                return encode(Candidate(fault=error.message))
            who = Candidate(
                functions=functions, pool=reply.pool, model=reply.model, engine=reply.engine
            )
            try:
                written = context.strategy.read_code(context.task, reply.text)
            except ReplyError as error:
                return encode(replace(who, fault=str(error)))
            files = await self._completed(given, asked, written.files, key)
            draft = await context.workspace.draft(draft_name(number), files)
            tests = await context.workspace.draft(draft_name(number), written.tests)
            for path, sha in draft.items():
                shown = {"path": path, "sha": sha, "round": number}
                context.emit("code_written", shown, key=f"{key}:written:{path}")
            return encode(replace(who, draft=draft, model_tests=tests))

        return await context.steps(f"{node}.{number}", work)

    async def _completed(
        self, given: Assignment, asked: ModelRequest, files: Mapping[str, str], key: str
    ) -> Mapping[str, str]:
        """Return a reply's files with the methods that its class lacks, as far as the model writes them."""
        context, task = self.context, self.context.task
        if len(files) != 1 or not classes_of(task):
            return files
        ((path, text),) = files.items()
        for number in range(MOST_METHODS):
            name, begun = unfinished_class(text, task, given.text)
            if not name:
                break
            request = method_request(asked, begun)
            try:
                reply = await ask(context.chat, context.emit, request, key=f"{key}:method:{number}")
                fresh = context.strategy.read_code(task, reply.text).files.get(path, "")
            except (LengthError, ReplyError):
                break
            if not continues(text, fresh, name):
                break
            text = fresh
        return {path: text}

    async def escalate(self, state: DebugState) -> Json:
        """Go on in the next pool; its models judge anew, candidates and assertions stay."""
        return {"stage": state["stage"] + 1, "sampled": 0, "asked": 0, "repaired": False}


def _clause_of(facts: Facts, refused: tuple[str, str]) -> ErrorClause:
    """Return a stated error with its class, which its rows name."""
    rows = [row for row in facts.assertions if (row.clause, row.about) == refused]
    return ErrorClause(raised_in(rows[0].source), *refused)


def _first_failure(state: DebugState, at: int) -> str:
    """Return the first assertion that a candidate fails, and how."""
    rows: Mapping[str, str] = state["outcomes"].get(str(at), {}).get("rows", {})
    for row, outcome in rows.items():
        if outcome != "pass":
            return f"{state['assertions'][int(row)]['source']}\n{outcome}"
    return str(state["verdict"].get("digest", ""))
