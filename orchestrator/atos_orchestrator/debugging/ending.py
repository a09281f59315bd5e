"""The two ends of the debug graph: code that is accepted, and a person who is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from atos_orchestrator.debugging.calls import raising_call
from atos_orchestrator.debugging.facts import Facts, raised_in, read_state
from atos_orchestrator.debugging.function_evidence import calls_of
from atos_orchestrator.debugging.module_parts import combined
from atos_orchestrator.debugging.moves import Move, best
from atos_orchestrator.debugging.output_checks import HIDES
from atos_orchestrator.debugging.sampling import draft_name
from atos_orchestrator.debugging.selection import distinguishing
from atos_orchestrator.debugging.state import Candidate, DebugContext, DebugState, TaskResult
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.planning.brief.command_examples import command_of
from atos_orchestrator.ports import Json
from atos_orchestrator.task import functions_of
from atos_orchestrator.web_application import asks_application, shown_row
from atos_protocol.goals import Question

DIGEST_LINES = 40
KEPT = 2
"""Candidates that a person is shown, or that go on after an answer."""
IN_PROCESS = "judged in the code's own process, where code written to cheat could pass"
"""Said of code whose tests could not be judged from outside."""
TESTS_DRAFT = "tests"
"""Name under which the tests that decided are kept."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The nodes `accept` and `ask` of one task."""

    context: DebugContext

    async def accept(self, state: DebugState) -> Json:
        """Put the accepted files, and the tests that stay with them, in their places."""
        context, move = self.context, decode(Move, state["move"])
        candidate = read_state(state).candidates[move.candidate]

        async def work() -> Json:
            workspace = context.workspace
            files = await workspace.recall(draft_name(move.candidate), candidate.draft)
            files |= await self._delivered_tests(state)
            if state["keep_model_tests"]:
                files |= await workspace.recall(draft_name(move.candidate), candidate.model_tests)
            for path, text in files.items():
                await workspace.write(path, text)
            dropped = () if state["keep_model_tests"] else tuple(candidate.model_tests)
            for path in dropped:
                text = (
                    f"{path} was dropped: it fails on the accepted code or passes on a stub of it"
                )
                context.emit("warning", {"text": text}, key=f"{context.task.id}:model_tests:{path}")
            return {"files": sorted(files)}

        done = await context.steps("finish", work)
        return {"outcome": encode(self._result(state, move, tuple(done["files"])))}

    async def _delivered_tests(self, state: DebugState) -> dict[str, str]:
        hashes: Mapping[str, str] = state["tests"]
        return await self.context.workspace.recall(TESTS_DRAFT, hashes)

    async def ask(self, state: DebugState) -> Json:
        """Say what help is needed: one distinguishing input where there is one; the best are kept."""
        context, facts = self.context, read_state(state)
        move = decode(Move, state["move"])
        question = self._question(state, move)
        chosen = [at for at in (move.candidate, move.rival) if at >= 0][:KEPT] or [best(facts)]

        async def work() -> Json:
            kept = [
                await self._program(facts, at, move)
                for at in chosen
                if at >= 0 and facts.candidates[at].draft
            ]
            if question is not None:
                data = {"question": asdict(question)}
                context.emit("asked", data, key=f"{context.task.id}:asked")
            return {"kept": kept}

        done = await context.steps("ask", work)
        result = replace(
            self._result(state, move, None), question=question, kept=tuple(done["kept"])
        )
        return {"outcome": encode(result)}

    async def _program(self, facts: Facts, at: int, move: Move) -> dict[str, str]:
        """Return a candidate's files; of the function in question its own, of the others the picked ones."""
        recall = self.context.workspace.recall
        own = await recall(draft_name(at), facts.candidates[at].draft)
        if not move.about:
            return own
        path, texts = self.context.task.files[0], dict[str, str]()
        for name, pick in zip(functions_of(self.context.task), move.picks, strict=True):
            from_ = at if name == move.about else pick
            found = await recall(draft_name(from_), facts.candidates[from_].draft)
            texts[name] = found.get(path, "")
        whole = combined(texts)
        return {path: whole} if whole is not None else own

    def _question(self, state: DebugState, move: Move) -> Question | None:
        facts = read_state(state)
        if move.row >= 0:
            return refusal_question(facts, move.candidate, move.row)
        asked = calls_of(facts, move.about) if move.about else range(len(facts.calls))
        columns = [
            replace(each, values=tuple(each.values[call] for call in asked if each.values))
            for each in facts.columns
        ]
        calls = [facts.calls[call] for call in asked]
        stated = facts.error_classes
        found = distinguishing(columns, calls, move.candidate, move.rival, stated)
        if found is None:
            return None
        call, answers = found
        return Question(question_text(call, answers), call, answers)

    def _result(self, state: DebugState, move: Move, files: tuple[str, ...] | None) -> TaskResult:
        facts, verdict = read_state(state), state["verdict"]
        known = 0 <= move.candidate < len(facts.candidates)
        who = facts.candidates[move.candidate] if known else Candidate()
        return TaskResult(
            outcome="needs_help" if files is None else "done",
            rounds=max(0, len(facts.candidates) - 1),
            files=files or (),
            passed=max(0, verdict.get("passed", 0)),
            failed=verdict.get("failed", 0),
            pool=who.pool,
            model=who.model,
            engine=who.engine,
            isolation=verdict.get("isolation", ""),
            uid=verdict.get("uid"),
            interpreter=verdict.get("interpreter", ""),
            digest="" if files is not None else _digest(state, move),
            proof=move.proof if files is not None else "",
            evidence=evidence_text(
                move, state["mutants"], str(verdict.get("proven", "")), _hiding(facts)
            ),
        )


def refusal_question(facts: Facts, at: int, row: int) -> Question | None:
    """Return the question whether a call is to raise a stated error, which a candidate does not raise there."""
    source = facts.assertions[row].source
    if not (call := raising_call(source)):
        return None
    known = dict(zip(facts.calls, facts.columns[at].values, strict=False))
    value = known.get(call, "")
    given = [value.removeprefix("= ")] if value.startswith("= ") else []
    answers = (*given, f"raises {raised_in(source)}")
    if not given:
        return Question(f"{'; '.join(call.splitlines())} {answers[0]}?", call, answers)
    return Question(question_text(call, answers), call, answers)


def question_text(call: str, answers: Sequence[str]) -> str:
    """Return the question which of several answers is right: `f(0) gives 1 or raises ValueError?`."""
    values = [each for each in answers if not each.startswith("raises ")]
    errors = [each for each in answers if each.startswith("raises ")]
    given = [f"gives {' or '.join(values)}"] if values else []
    return f"{'; '.join(call.splitlines())} {' or '.join([*given, *errors])}?"


def evidence_text(move: Move, mutants: str, proven: str, hiding: int = 0) -> str:
    """Return what the code rests on, whether it could have fooled its tests, and what was refused as hiding."""
    fails = f"fails on {mutants}" if mutants else ""
    own = IN_PROCESS if proven == "in-process" else ""
    hid = f"{hiding} of its candidates refused for hidden characters" if hiding else ""
    return "; ".join(part for part in (move.evidence, fails, own, hid) if part)


def _hiding(facts: Facts) -> int:
    return sum(HIDES in each.fault for each in facts.candidates)


def _digest(state: DebugState, move: Move) -> str:
    """Return why nothing was accepted, in at most `DIGEST_LINES` lines."""
    facts = read_state(state)
    lines: list[str] = []
    if move.evidence:
        lines.append(f"not enough to accept: {move.evidence}")
    if move.candidate >= 0:
        lines += _failures(state, move.candidate)
    lines += faults_told([each.fault for each in facts.candidates])
    if digest := str(state["verdict"].get("digest", "")):
        lines += digest.splitlines()
    return "\n".join(lines[:DIGEST_LINES]) or "no candidate could be used"


def faults_told(faults: Sequence[str]) -> list[str]:
    """Return which candidates can't be used and why, a line per reason; "" is no fault."""
    alike: dict[str, list[int]] = {}
    for at, fault in enumerate(faults, 1):
        if fault:
            alike.setdefault(fault, []).append(at)
    return [f"{_candidates(numbers)}: {fault}" for fault, numbers in alike.items()]


def _candidates(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"candidate {numbers[0]}"
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"candidates {numbers[0]} to {numbers[-1]}"
    return f"candidates {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def row_told(row: str) -> str:
    """Return an assertion in one line, as a person thinks of it: the command, the requests, or what is compared."""
    if command := command_of(row):
        return f"`{command}`"
    return shown_row(row) if asks_application(row) else row.splitlines()[-1]


def _failures(state: DebugState, at: int) -> list[str]:
    facts = read_state(state)
    failed = [
        f"{row_told(row.source)}: {facts.columns[at].rows[number]}"
        for number, row in enumerate(facts.assertions)
        if number < len(facts.columns[at].rows)
        and facts.columns[at].rows[number] not in {"pass", ""}
    ]
    return [f"the best candidate fails {len(failed)} assertions", *failed[:8]] if failed else []
