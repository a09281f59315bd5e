"""The node `test`: the tests that stay in the repository, on the chosen candidate and on wrong code.

The candidate was picked assertion by assertion. Here the file that will be delivered runs under pytest,
whose verdict comes over an authenticated channel. Tests that pass on a stub prove nothing, so the same assertions
must fail on a stub, and on a mutant or on a candidate that lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from atos_orchestrator.debugging.assertions import Assertion
from atos_orchestrator.debugging.calls import value_assertion
from atos_orchestrator.debugging.delivered_tests import render_tests
from atos_orchestrator.debugging.ending import DIGEST_LINES, TESTS_DRAFT
from atos_orchestrator.debugging.facts import Facts, read_state
from atos_orchestrator.debugging.moves import Move
from atos_orchestrator.debugging.mutants import mutants
from atos_orchestrator.debugging.sampling import draft_name
from atos_orchestrator.debugging.state import Candidate, DebugContext, DebugState
from atos_orchestrator.debugging.stubs import imported_files, stub_source
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.ports import Json
from atos_orchestrator.task import test_file
from atos_protocol.verdicts import Verdict

MOST_LOSERS = 2
FEWEST = 3
"""Assertions of a delivered test file; values on which candidates agree make up for what is missing."""
Which = Literal["acceptance", "model", "stub"]


@dataclass(frozen=True, slots=True)
class FinalTest:
    """The node `test` of one task."""

    context: DebugContext

    async def test(self, state: DebugState) -> Json:
        """Run the deciding tests; the candidate is accepted, or refused with what failed."""
        context, facts = self.context, read_state(state)
        move = decode(Move, state["move"])
        at = move.candidate
        name = f"{at}.{len(facts.assertions)}"
        key = f"{context.task.id}:test:{name.replace('.', ':')}"

        async def work() -> Json:
            code = await context.workspace.recall(draft_name(at), facts.candidates[at].draft)
            if move.proof == "tests":
                return await self._by_files(code, facts.candidates[at], at, key)
            return await self._by_assertions(code, facts, move, key)

        done = await context.steps(f"test.{name}", work)
        return _judged(state, move, done)

    # -- whole test files: handed in, from a catalogue, or the task is one itself

    async def _by_files(
        self, code: Mapping[str, str], candidate: Candidate, at: int, key: str
    ) -> Json:
        context, task = self.context, self.context.task
        stubs = {path: stub_source(text) for path, text in code.items() if path.endswith(".py")}
        tests = context.strategy.supplied_tests(task)
        if task.kind == "test":
            stubs, tests = await self._stubs_of_imports(code), dict(code)
        runs: dict[Which, tuple[Mapping[str, str], Mapping[str, str]]] = {
            "acceptance": (code, tests)
        }
        if candidate.model_tests:
            own = await context.workspace.recall(draft_name(at), candidate.model_tests)
            runs |= {"model": (code, own), "stub": (stubs, own)}
        elif task.kind == "test":
            runs["stub"] = (stubs, tests)
        verdicts = await self._run_all(runs, at, key)
        model, stub = verdicts.get("model"), verdicts.get("stub")
        fails_on_stub = bool(stub) and stub["state"] == "failed"
        return {
            "verdict": verdicts["acceptance"],
            "proven": fails_on_stub if task.kind == "test" else True,
            "keep_model_tests": bool(model and model["ok"]) and fails_on_stub,
            "tests": {}
            if task.kind == "test"
            else await context.workspace.draft(TESTS_DRAFT, tests),
            "mutants": "",
        }

    async def _stubs_of_imports(self, tests: Mapping[str, str]) -> dict[str, str]:
        """Return stubs of the modules that a test task's file imports from the worktree."""
        found: dict[str, str] = {}
        for path in imported_files("\n".join(tests.values())):
            if source := await self.context.workspace.read_if_exists(path):
                found[path] = stub_source(source)
        return found

    async def _run_all(
        self,
        runs: Mapping[Which, tuple[Mapping[str, str], Mapping[str, str]]],
        at: int,
        key: str,
    ) -> dict[Which, Json]:
        """Run all at the same time and emit `tests_run` for each; return which -> short verdict."""
        verdicts: dict[Which, Json] = {}

        async def one(which: Which, code: Mapping[str, str], tests: Mapping[str, str]) -> None:
            verdicts[which] = await self._pytest(which, {**code, **tests}, tuple(tests), at, key)

        async with anyio.create_task_group() as group:
            for which, (code, tests) in runs.items():
                group.start_soon(one, which, code, tests)
        return verdicts

    async def _pytest(
        self, which: Which, overlay: Mapping[str, str], tests: Sequence[str], at: int, key: str
    ) -> Json:
        context = self.context
        policy = context.strategy.sandbox_policy
        short = shorten_verdict(await context.workspace.pytest(tests, overlay, policy))
        shown = {name: short[name] for name in short if name not in {"digest", "failing"}}
        data = {"which": which, "round": at} | shown
        context.emit("tests_run", data, key=f"{key}:{which}")
        return short

    # -- single assertions

    async def _by_assertions(
        self, code: Mapping[str, str], facts: Facts, move: Move, key: str
    ) -> Json:
        task, path = self.context.task, test_file(self.context.task)
        kept = [facts.assertions[row] for row in move.kept]
        if move.proof == "agreed" and len(kept) < FEWEST:
            kept += agreed_values(facts, move, FEWEST - len(kept))
        verdict, text = Json(), ""
        for again in range(2):
            text, names = render_tests(task.files, kept)
            run = f"{key}:{again}"
            verdict = await self._pytest(
                "acceptance", {**code, path: text}, (path,), move.candidate, run
            )
            failing = {names.get(each.rpartition("::")[2], -1) for each in verdict["failing"]}
            lost = {at for at in failing if at >= 0 and kept[at].origin != "example"}
            if verdict["ok"] or not lost or lost != failing or len(lost) == len(kept):
                break
            # an assertion that holds alone may fail as a test: rounding, or a name that `*` leaves out
            kept = [row for at, row in enumerate(kept) if at not in lost]
        proven, words = await self._on_wrong_code(code, [row.source for row in kept], facts, move)
        return {
            "verdict": verdict,
            "proven": proven,
            "keep_model_tests": False,
            "tests": await self.context.workspace.draft(TESTS_DRAFT, {path: text}),
            "mutants": words,
        }

    async def _on_wrong_code(
        self, code: Mapping[str, str], sources: Sequence[str], facts: Facts, move: Move
    ) -> tuple[bool, str]:
        """Return whether the assertions fail on wrong code, and on how much of it."""
        modules = {path: text for path, text in code.items() if path.endswith(".py")}
        stub = {path: stub_source(text) for path, text in modules.items()}
        wrong: list[dict[str, str]] = [
            {**modules, path: mutant} for path, text in modules.items() for mutant in mutants(text)
        ]
        losers = [at for at in facts.usable if at != move.candidate and _fails(facts, at, move)]
        wrong += [await self._code(facts.candidates[at], at) for at in losers[:MOST_LOSERS]]
        report = await self.context.workspace.evaluate([stub, *wrong], sources)
        killed = [
            any(row != "pass" for row in each.rows) or bool(each.load) for each in report.candidates
        ]
        if not killed[0]:
            return False, ""
        words = (
            f"a stub and {sum(killed[1:])} of {len(wrong)} wrong versions" if wrong else "a stub"
        )
        return any(killed[1:]) or not wrong, words

    async def _code(self, candidate: Candidate, at: int) -> dict[str, str]:
        return await self.context.workspace.recall(draft_name(at), candidate.draft)


def agreed_values(facts: Facts, move: Move, most: int) -> list[Assertion]:
    """Return what the chosen candidate gives on some calls, where another candidate gives the same."""
    mine = facts.columns[move.candidate].values
    others = [facts.columns[at].values for at in facts.usable if at != move.candidate]
    found = [
        Assertion(source, "agreed")
        for at, (call, value) in enumerate(zip(facts.calls, mine, strict=True))
        if any(values[at] == value for values in others)
        and (source := value_assertion(call, value)) is not None
    ]
    return found[:most]


def _fails(facts: Facts, at: int, move: Move) -> bool:
    return any(not facts.columns[at].passes(row) for row in move.kept)


def _judged(state: DebugState, move: Move, done: Json) -> Json:
    """Return how the final test changes the state."""
    verdict, at = done["verdict"], move.candidate
    change: Json = {
        "verdict": verdict,
        "tests": done["tests"],
        "keep_model_tests": done["keep_model_tests"],
        "mutants": done["mutants"],
    }
    if verdict["ok"] and done["proven"]:
        return change | {"move": encode(replace(move, node="accept"))}
    if verdict["ok"] and move.proof == "examples":
        return change | {"weak": True}
    fault = str(verdict["digest"] or verdict["state"])
    if verdict["ok"]:
        fault = "the tests also pass on an empty stub, so they prove nothing"
    refused = replace(
        decode(Candidate, state["candidates"][at]),
        fault=fault[:2000],
        passed=max(0, verdict["passed"]),
    )
    candidates = [*state["candidates"]]
    candidates[at] = encode(refused)
    return change | {"candidates": candidates}


def shorten_verdict(verdict: Verdict) -> Json:
    """Return what the graph and people need of a verdict; a step's record keeps it for ever."""
    lines = [*verdict.reasons, *verdict.digest.splitlines()[:DIGEST_LINES]]
    return {
        "ok": verdict.all_passed,
        "state": verdict.state,
        "proven": verdict.proven,
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
