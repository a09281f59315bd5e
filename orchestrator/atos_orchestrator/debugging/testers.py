"""The node that gets assertions where the goal has no example: independent testers, and stated errors.

No tester sees code or another tester. Of a small model's free assertions hardly any is about an error
that the goal states, so those are begun by rule, the clause as a comment above them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from atos_orchestrator.agents.model_request import ModelRequest, ask
from atos_orchestrator.agents.prompts import Assignment, Sampling
from atos_orchestrator.agents.tester_prompts import (
    assertions_request,
    error_request,
    file_assertions_request,
    web_assertions_request,
)
from atos_orchestrator.debugging.assertions import Assertion, read_assertions
from atos_orchestrator.debugging.by_function import unshown
from atos_orchestrator.debugging.calls import (
    calls_in,
    compared_calls,
    first_argument,
    usual_opening,
)
from atos_orchestrator.debugging.error_inputs import (
    calls_one,
    lacks_what_is_said,
    methods_in,
    refused_calls,
    valid_calls,
)
from atos_orchestrator.debugging.facts import names_in, read_state
from atos_orchestrator.debugging.file_rows import (
    begun_writing,
    file_calls,
    reads_a_file,
    sample_lines,
)
from atos_orchestrator.debugging.moves import Move
from atos_orchestrator.debugging.round_trips import opposites, round_trips
from atos_orchestrator.debugging.sampling import assigned, draft_name
from atos_orchestrator.debugging.sources import defined_names
from atos_orchestrator.debugging.state import DebugContext, DebugState
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.ports import Json
from atos_orchestrator.task import (
    ErrorClause,
    functions_of,
    name_of,
    parameters_of,
    speaks_of_result,
    unshown_errors,
)
from atos_orchestrator.web_application import WebApplication, application_of
from atos_protocol.errors import LengthError

TEMPERATURE = 0.8
MOST_ROWS = 60
MOST_OF_ONE = 12
"""Rows of one tester that are used, so that none of them fills the table."""
ERROR_REPLIES = 2
"""Replies that are begun for one stated error."""
ENOUGH_ROWS = 2
"""Rows about one stated error; a second reply is begun only where the first holds fewer."""


@dataclass(frozen=True, slots=True)
class Testers:
    """The node `testers` of one task."""

    __test__ = False  # pytest looks for classes of such a name

    context: DebugContext

    async def testers(self, state: DebugState) -> Json:
        """Ask one tester; the first one also writes the rows for stated errors, alone where examples decide."""
        context, asked = self.context, state["asked"]
        plan = context.plans[state["stage"]]
        number = f"{state['stage']}.{asked}"
        names, facts = await self._names(state, number), read_state(state)
        target, known = _target(names, asked), [row.source for row in facts.assertions]
        if state["move"] and (about := decode(Move, state["move"]).about):
            target = about
        if facts.decided:
            target = dict(enumerate(unshown(facts, functions_of(context.task)))).get(asked, "")
        first = asked < max(1, len(functions_of(context.task)))
        sampling = Sampling(plan.pool, 0.0 if first else TEMPERATURE, 100 + asked)

        async def work() -> Json:
            key = f"{context.task.id}:testers:{number}"
            given = await assigned(context, key)
            rows: list[Json] = []
            if target or not facts.decided:
                request = self._request(given, target, sampling, known)
                sources = (await self._ask(request, names, key))[:MOST_OF_ONE]
                rows = [
                    encode(Assertion(self._with_import(source, target), "tester"))
                    for source in sources
                ]
            if not asked:
                rows += await self._error_rows(given, names, sampling, key, known, _sources(rows))
            return {"assertions": rows}

        done = await context.steps(f"testers.{number}", work)
        files = file_calls(context.goal, context.task.signatures)
        fresh = [*done["assertions"], *self._round_trips([*known, *_sources(done["assertions"])])]
        return _with_rows(state, fresh, names, files) | {"asked": asked + 1}

    def _round_trips(self, known: Sequence[str]) -> list[Json]:
        goal, heads = self.context.goal, self.context.task.signatures
        return [
            encode(Assertion(source, "round_trip", about=name_of(back)))
            for there, back in opposites(goal, heads)
            for source in round_trips(there, back, known)
        ]

    def _request(
        self, given: Assignment, target: str, sampling: Sampling, known: Sequence[str]
    ) -> ModelRequest:
        """Return what a tester is asked: of a function that reads a file, to write one first."""
        heads = self.context.task.signatures
        head = next((each for each in heads if name_of(each) == target), "")
        if application := self._application(target):
            return web_assertions_request(given, application, sampling)
        if not reads_a_file(head, self.context.goal):
            return assertions_request(given, target, sampling, self._opening(target, known))
        text = "".join(f"{line}\n" for line in sample_lines(self.context.goal, [target]))
        return file_assertions_request(given, target, sampling, begun_writing(text))

    def _application(self, target: str) -> WebApplication | None:
        heads = self.context.task.signatures
        head = next((each for each in heads if name_of(each) == target), "")
        return application_of(head, self.context.task.packages)

    def _with_import(self, row: str, target: str) -> str:
        """Return a row with the import of the test client that it uses; a reply's own imports are not kept."""
        application = self._application(target)
        return application.row(row) if application else row

    async def _names(self, state: DebugState, number: str) -> tuple[str, ...]:
        """Return what is under test: the signatures' names, or what most candidates define."""
        if heads := self.context.task.signatures:
            return tuple(dict.fromkeys(name_of(head) for head in heads))
        facts = read_state(state)

        async def work() -> Json:
            counts: dict[str, int] = {}
            for at in facts.usable:
                draft = {p: s for p, s in facts.candidates[at].draft.items() if p.endswith(".py")}
                code = await self.context.workspace.recall(draft_name(at), draft)
                for name in defined_names("\n".join(code.values())):
                    counts[name] = counts.get(name, 0) + (not name.startswith("_"))
            most = max(counts.values(), default=0)
            return {"names": sorted(name for name, count in counts.items() if count == most > 0)}

        return tuple((await self.context.steps(f"names.{number}", work))["names"])

    def _opening(self, name: str, known: Sequence[str]) -> str:
        """Return how a function's first argument begins: as in its known calls, or as its name says."""
        head = next((each for each in self.context.task.signatures if name_of(each) == name), "")
        parameters = parameters_of(head)
        return first_argument(known, name) or (usual_opening(parameters[0]) if parameters else "")

    async def _ask(self, request: ModelRequest, names: Sequence[str], key: str) -> list[str]:
        try:
            reply = await ask(self.context.chat, self.context.emit, request, key=key)
        except LengthError:  # an empty or repeating reply costs its own rows, and a warning tells
            return []
        whole = reply.text.rpartition("\n")[0] if reply.cut else reply.text
        return read_assertions(whole, names)

    async def _error_rows(
        self,
        given: Assignment,
        names: Sequence[str],
        sampling: Sampling,
        key: str,
        known: Sequence[str],
        tested: Sequence[str],
    ) -> list[Json]:
        rows: dict[str, Json] = {}
        for at, clause in enumerate(unshown_errors(given.task)):
            clause = clause if clause.name or len(names) != 1 else _about(clause, names[0])
            opening = self._opening(clause.name, known) if clause.error != "TypeError" else ""
            calls = self._refused(clause, [*known, *tested])
            by_rule = [f"assert raises({clause.error}, lambda: {call})" for call in calls]
            found = self._rows(by_rule, clause, names, known)
            for n in range(0 if found else ERROR_REPLIES):
                varied = Sampling(sampling.pool, TEMPERATURE if n else 0.0, 200 + n)
                request = error_request(given, clause, varied, opening)
                fresh = await self._ask(request, names, f"{key}:error:{at}:{n}")
                found += self._rows(fresh, clause, names, known)
                if len(found) >= ENOUGH_ROWS:
                    break
            rows |= {row.source: encode(row) for row in found}
        return list(rows.values())

    def _refused(self, clause: ErrorClause, known: Sequence[str]) -> list[str]:
        """Return the calls that a clause's own words refuse; none where a model has to think of them."""
        heads = self.context.task.signatures
        head = next((each for each in heads if name_of(each) == clause.name), "")
        valid = calls_in([each for each in known if "raises(" not in each], [clause.name])
        return refused_calls(clause.text, clause.name, parameters_of(head), valid)

    def _rows(
        self,
        sources: Sequence[str],
        clause: ErrorClause,
        names: Sequence[str],
        known: Sequence[str],
    ) -> list[Assertion]:
        methods = methods_in(clause.text, self.context.goal) if not clause.name.islower() else ()
        valid = valid_calls(known, names, self.context.task.signatures, clause.text)
        found = [error_row(each, clause, names, valid) for each in sources]
        return [row for row in found if row and (not methods or calls_one(row.source, methods))]


def error_row(
    source: str, clause: ErrorClause, names: Sequence[str], valid: Collection[str]
) -> Assertion | None:
    """Return an assertion as a row about a stated error; None where it is none, or calls what is known to be valid.

    It is about the function that it calls, whichever the reply was begun for.
    """
    if clause.error not in source or "raises(" not in source:
        return None
    calls = calls_in([source], names)
    if not set(calls).isdisjoint(valid) or any(
        lacks_what_is_said(clause.text, call) for call in calls
    ):
        return None
    called = [name for name in names if name in names_in(source)]
    about = called[0] if clause.name and len(called) == 1 else clause.name
    if about != clause.name and speaks_of_result(clause.text, about):
        return None
    return Assertion(source, "error", clause.text, about)


def _about(clause: ErrorClause, name: str) -> ErrorClause:
    return ErrorClause(clause.error, clause.text, name)


def _target(names: Sequence[str], asked: int) -> str:
    """Return the function that this tester writes one-line assertions about; empty for a class."""
    functions = [name for name in names if name[:1].islower()]
    return functions[asked % len(functions)] if len(functions) == len(names) and names else ""


def _sources(rows: Sequence[Json]) -> list[str]:
    return [str(row["source"]) for row in rows]


def _with_rows(
    state: DebugState, fresh: Sequence[Json], names: Sequence[str], files: Sequence[str]
) -> Json:
    """Return the state's assertions with new ones, and the calls on which values are compared."""
    known = {str(row["source"]) for row in state["assertions"]}
    rows = [*state["assertions"], *(row for row in fresh if row["source"] not in known)][:MOST_ROWS]
    # what a round trip calls says nothing of one function alone
    compared = [row for row in rows if row["origin"] != "round_trip"]
    return {
        "assertions": rows,
        "calls": [*files, *compared_calls(_sources(compared), names)],
    }
