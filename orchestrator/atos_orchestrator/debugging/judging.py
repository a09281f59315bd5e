"""The nodes that decide about candidates before the final test: check, evaluate, select."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from atos_orchestrator.agents.prompts import wants_command
from atos_orchestrator.debugging.decision import next_move
from atos_orchestrator.debugging.facts import read_state
from atos_orchestrator.debugging.missing_declarations import with_missing_declarations
from atos_orchestrator.debugging.missing_imports import with_missing_imports
from atos_orchestrator.debugging.moves import Move, with_untested
from atos_orchestrator.debugging.output_checks import HIDES, candidate_fault, undeclared_fault
from atos_orchestrator.debugging.sampling import draft_name
from atos_orchestrator.debugging.state import Candidate, DebugContext, DebugState
from atos_orchestrator.debugging.task_workspace import DRAFTS
from atos_orchestrator.debugging.unasked_code import without_unasked_code
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.ports import Json
from atos_orchestrator.task import can_be_run, functions_of, required_errors, unshown_errors
from atos_protocol.verdicts import Evaluation

QUOTED = 60
"""Characters of a line that are shown of a file that is no Python."""
MOST_AT_ONCE = 12
"""Candidates that code_runner evaluates in one run; two pools together may have more."""


@dataclass(frozen=True, slots=True)
class Judging:
    """The nodes `check`, `evaluate` and `select` of one task."""

    context: DebugContext

    async def check(self, state: DebugState) -> Json:
        """Compile what was written and look at it, without running it.

        Forgotten imports are added, and what nobody asked for is taken away.
        """
        context, first = self.context, state["checked"]
        fresh = [decode(Candidate, each) for each in state["candidates"][first:]]

        async def work() -> Json:
            checked = [await self._checked(first + n, each) for n, each in enumerate(fresh)]
            for number, candidate in enumerate(checked, first):
                data = {"ok": not candidate.fault, "round": number, "fault": candidate.fault[:400]}
                context.emit("syntax_checked", data, key=f"{context.task.id}:check:{number}")
                if HIDES in candidate.fault:
                    text = f"{context.task.id}, candidate {number + 1}: {candidate.fault}"
                    context.emit(
                        "warning", {"text": text}, key=f"{context.task.id}:hidden:{number}"
                    )
            return {"candidates": [encode(candidate) for candidate in checked]}

        done = await context.steps(f"check.{first}", work)
        return {
            "candidates": [*state["candidates"][:first], *done["candidates"]],
            "checked": len(state["candidates"]),
        }

    async def _checked(self, number: int, candidate: Candidate) -> Candidate:
        """Return a candidate with what the check found."""
        if not candidate.usable:
            return candidate
        workspace, name = self.context.workspace, draft_name(number)
        files = await workspace.recall(name, candidate.draft)
        for path in files:
            if path.endswith(".py"):
                report = await workspace.syntax(f"{DRAFTS}/{name}/{path}")
                if report.errors:
                    error = report.errors[0]
                    fault = f"{path}, line {error.line}: {error.message}"
                    shown = quoted_line(files[path], error.line)
                    return replace(candidate, fault=fault + shown, mechanical=True)
        near = {p: await workspace.read_if_exists(p) for p in self.context.task.reads}
        before = {path: await workspace.read_if_exists(path) for path in files}
        alone = bool(functions_of(self.context.task)) and not wants_command(self.context.goal)

        def tidied(path: str, text: str) -> str:
            if not path.endswith(".py"):
                return text
            if (
                candidate.model and not before[path]
            ):  # never a person's code, nor a file that was there
                text = without_unasked_code(text, functions_only=alone)
            others = {p: each for p, each in near.items() if p != path}
            return with_missing_imports(with_missing_declarations(text), others)

        whole = {path: tidied(path, text) for path, text in files.items()}
        if whole != files:
            candidate = replace(candidate, draft=await workspace.draft(name, whole))
        fault = candidate_fault(whole, before, self.context.task)
        text = fault.text or await undeclared_fault(self.context, whole)
        return replace(candidate, fault=text, mechanical=fault.mechanical)

    async def evaluate(self, state: DebugState) -> Json:
        """Run every candidate against every assertion and call that it has not met yet."""
        context, facts = self.context, read_state(state)
        todo = [at for at in facts.usable if self._missing(state, at)]
        if not todo:  # testers had nothing usable to say
            return {"outcomes": state["outcomes"]}
        rows = sorted({row for at in todo for row in self._missing(state, at)})
        name = f"{len(state['candidates'])}.{len(state['assertions'])}"
        sources = [facts.assertions[row].source for row in rows]

        async def work() -> Json:
            reports: list[Evaluation] = []
            for first in range(0, len(todo), MOST_AT_ONCE):
                some = todo[first : first + MOST_AT_ONCE]
                programs = [await self._program(facts.candidates[at], at) for at in some]
                reports.append(await context.workspace.evaluate(programs, sources, state["calls"]))
            outcomes = [each for report in reports for each in report.candidates]
            data = _ran(reports[-1]) | {
                "started_at": reports[0].started_at,
                "candidates": len(todo),
                "judged": list(todo),
                "rows": len(rows),
                "calls": len(state["calls"]),
                "passed": [sum(o == "pass" for o in each.rows) for each in outcomes],
            }
            context.emit("evaluated", data, key=f"{context.task.id}:evaluated:{name}")
            return {
                str(at): {"load": each.load, "rows": list(each.rows), "values": list(each.values)}
                for at, each in zip(todo, outcomes, strict=True)
            }

        done = await context.steps(f"evaluate.{name}", work)
        return _with_outcomes(state, rows, done)

    def _missing(self, state: DebugState, at: int) -> list[int]:
        seen = state["outcomes"].get(str(at), {})
        if not seen.get("loads", True):
            return []
        rows = [
            row for row in range(len(state["assertions"])) if str(row) not in seen.get("rows", {})
        ]
        return rows or ([-1] if set(state["calls"]) - set(seen.get("values", {})) else [])

    async def _program(self, candidate: Candidate, at: int) -> dict[str, str]:
        return await self.context.workspace.recall(draft_name(at), candidate.draft)

    async def select(self, state: DebugState) -> Json:
        """Decide what comes next; an event says what was picked, what was dropped, and why."""
        context, task = self.context, self.context.task
        supplied = bool(context.strategy.supplied_tests(task))
        errors = frozenset((clause.text, clause.name) for clause in unshown_errors(task))
        required = required_errors(task)
        move = next_move(
            state,
            context.plans,
            supplied=supplied or task.kind == "test",
            judged=can_be_run(task),
            stated_errors=bool(errors),
            functions=functions_of(task),
            required=required,
        )
        move = with_untested(move, read_state(state), errors, required) if not supplied else move
        if move.proof == "tests":
            own = "its tests pass on the code and fail on a stub of it"
            evidence = own if task.kind == "test" else context.strategy.supplied_evidence
            move = replace(move, evidence=evidence)
        if move.node not in {"sample", "testers", "evaluate"}:
            number = sum(decode(Candidate, each).passed >= 0 for each in state["candidates"])
            name = f"{len(state['candidates'])}.{len(state['assertions'])}.{number}"

            async def work() -> Json:
                data = _shown(state, move)
                context.emit("selected", data, key=f"{task.id}:selected:{name}")
                return {}

            await context.steps(f"select.{name}", work)
        return {"move": encode(move)}


def _shown(state: DebugState, move: Move) -> Json:
    facts = read_state(state)
    dropped: list[Json] = []
    if move.node == "test" and move.candidate >= 0:
        column = facts.columns[move.candidate]
        dropped = [
            {"assertion": facts.assertions[row].source[:200], "why": column.rows[row][:120]}
            for row in facts.written
            if row not in move.kept and row < len(column.rows)
        ]
    return {
        "next": move.node,
        "candidate": move.candidate,
        "proof": move.proof,
        "evidence": move.evidence,
        "kept": len(move.kept),
        "dropped": dropped[:12],
    }


def quoted_line(text: str, line: int) -> str:
    """Return a line of a file as `: '...'`, shortened; "" where the file has no such line or it is blank."""
    lines = text.split("\n")
    words = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    return f": {words[:QUOTED]!r}" if words else ""


def _ran(report: Evaluation) -> Json:
    return {
        "started_at": report.started_at,
        "ended_at": report.ended_at,
        "isolation": report.isolation.level,
        "uid": report.uid,
        "interpreter": report.interpreter,
    }


def _with_outcomes(state: DebugState, rows: Sequence[int], done: Json) -> Json:
    """Return the outcomes with those of one more run."""
    outcomes = dict(state["outcomes"])
    for at, each in done.items():
        before = outcomes.get(at, {})
        fresh = {str(row): what for row, what in zip(rows, each["rows"], strict=False)}
        values = dict(zip(state["calls"], each["values"], strict=False))
        outcomes[at] = {
            "loads": not each["load"],
            "load": each["load"],
            "rows": before.get("rows", {}) | fresh,
            "values": before.get("values", {}) | values,
        }
    return {"outcomes": outcomes}
