"""The debug loop of one task: `TRANSITIONS` says which node may follow which.

`tests` comes before any code exists, and its file is frozen by hash. Where the strategy supplies the
acceptance tests, there is no such node. `code` writes or repairs, `syntax` compiles, `test` runs the
acceptance tests on the code and, unless they are proven, on a stub of it: tests that pass on a stub are
written once more, after that a person has to help. `reflect` picks the next attempt; there are finitely
many, so the loop ends. Every node that touches the outside is exactly one step, named after the attempt.
Only `accept` and `give_up` write the outcome.

The nodes are in `generation` (what a model writes) and `evaluation` (what decides about it).
"""

from __future__ import annotations

from dataclasses import dataclass

from atos_orchestrator.debugging.evaluation import Evaluation
from atos_orchestrator.debugging.generation import Generation
from atos_orchestrator.debugging.state import DebugContext, DebugState, TaskResult, first_state
from atos_orchestrator.durable_json import decode
from atos_orchestrator.graphs import Run, Transitions, build
from atos_orchestrator.ports import Json
from atos_orchestrator.task import test_file

MAX_TESTS_VERSIONS = 2
"""How often the tester may write the tests of a task."""

TRANSITIONS: Transitions = {
    "start": ("tests", "code"),
    "tests": ("code", "tests", "test", "give_up"),
    "code": ("syntax", "reflect"),
    "syntax": ("test", "reflect", "accept"),
    "test": ("accept", "reflect", "tests", "give_up"),
    "reflect": ("code", "tests", "give_up"),
    "accept": (),
    "give_up": (),
}
"""Node -> nodes that may follow. `accept`'s step is called `finish`."""


async def debug_task(context: DebugContext) -> TaskResult:
    """Write a task's files in its worktree until its tests pass, or report what help is needed.

    Raises:
        AtosError: no model, no sandbox, or a server can't be reached. A task that fails its tests is a
            result, not an error.
    """
    supplied = context.strategy.acceptance_tests(context.task)
    state = await debug_graph(context)(dict(first_state(tests_proven=supplied is not None)))
    return decode(TaskResult, state["outcome"])


def debug_graph(context: DebugContext) -> Run:
    """Return the loop of one task."""
    routes = _Routes(context)
    generation = Generation(context, routes.doubts_tests)
    evaluation = Evaluation(context)
    nodes = (
        generation.tests,
        generation.code,
        evaluation.syntax,
        evaluation.test,
        generation.reflect,
        evaluation.accept,
        evaluation.give_up,
    )
    choices = {
        "start": routes.first,
        "tests": routes.after_tests,
        "code": routes.after_code,
        "syntax": routes.after_syntax,
        "test": routes.after_test,
        "reflect": routes.after_reflect,
    }
    return build(DebugState, TRANSITIONS, nodes, choices)


@dataclass(frozen=True, slots=True)
class _Routes:
    """Chooses the next node: pure functions of the state."""

    context: DebugContext

    def _has_tester(self) -> bool:
        task = self.context.task
        return bool(test_file(task)) and self.context.strategy.acceptance_tests(task) is None

    def _may_rewrite_tests(self, state: DebugState) -> bool:
        return self._has_tester() and state["tests_version"] < MAX_TESTS_VERSIONS

    def first(self, state: DebugState) -> str:
        return "tests" if self._has_tester() else "code"

    def after_tests(self, state: DebugState) -> str:
        if state["fault"]:
            return "tests" if self._may_rewrite_tests(state) else "give_up"
        return "test" if state["draft"] else "code"

    def after_code(self, state: DebugState) -> str:
        return "reflect" if state["fault"] else "syntax"

    def after_syntax(self, state: DebugState) -> str:
        """Run what can be run: a page of documentation can't."""
        if state["fault"]:
            return "reflect"
        task = self.context.task
        return "test" if test_file(task) or task.kind == "test" else "accept"

    def after_test(self, state: DebugState) -> str:
        """Accept code only by tests that are known to fail on wrong code."""
        if state["fault"]:
            return "reflect"
        if state["tests_proven"]:
            return "accept"
        return "tests" if self._may_rewrite_tests(state) else "give_up"

    def after_reflect(self, state: DebugState) -> str:
        if state["at"] >= len(self.context.attempts):
            return "give_up"
        return "tests" if self.doubts_tests(state, state["reflection"]) else "code"

    def doubts_tests(self, state: DebugState, reflection: Json) -> bool:
        """Return whether a reflection sends the tests back to the tester."""
        return bool(reflection.get("test_wrong")) and self._may_rewrite_tests(state)
