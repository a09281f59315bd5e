"""The debug graph of one task: `TRANSITIONS` says which node may follow which.

`examples` collects what is law: the goal's examples, tests that were handed in, candidates from outside.
`sample` draws one candidate, `check` compiles it, `evaluate` runs all candidates against all assertions,
`select` decides. Where there is an example, the graph samples one by one and the first candidate that
meets it goes to the final `test`, or one of two that agree where an earlier one failed it
(`second_opinion`). Where there is none, it draws all candidates, asks `testers` for assertions,
and picks by agreement. A file of several functions is judged function by function as well, and
`combine` puts what is right in several candidates into one. `translate` has one raise the stated errors where it
raises others, `refuse` puts a check in front of a function that raises none. What can't be settled in one pool goes on in the next (`escalate`), and in
the end to a person (`ask`). Green code is never touched again.

Every node that touches the outside is exactly one step, named after what it is about, so a replay finds
its result. `decision` holds the choice, a pure function. Candidates, testers and pools are finite, so the
graph ends. Only `accept` and `ask` write the outcome.
"""

from __future__ import annotations

from atos_orchestrator.debugging.decision import testers_wanted
from atos_orchestrator.debugging.ending import Ending
from atos_orchestrator.debugging.facts import read_state
from atos_orchestrator.debugging.final_test import FinalTest
from atos_orchestrator.debugging.judging import Judging
from atos_orchestrator.debugging.sampling import Sampler
from atos_orchestrator.debugging.state import DebugContext, DebugState, TaskResult, first_state
from atos_orchestrator.debugging.testers import Testers
from atos_orchestrator.durable_json import decode
from atos_orchestrator.graphs import Run, Transitions, build
from atos_orchestrator.task import functions_of, unshown_errors

TRANSITIONS: Transitions = {
    "start": ("examples",),
    "examples": ("check", "sample"),
    "sample": ("check",),
    "combine": ("check",),
    "translate": ("check",),
    "refuse": ("check",),
    "repair": ("check",),
    "check": ("evaluate", "select"),
    "testers": ("evaluate", "testers"),
    "evaluate": ("select",),
    "select": (
        "sample",
        "combine",
        "translate",
        "refuse",
        "testers",
        "repair",
        "escalate",
        "test",
        "accept",
        "ask",
    ),
    "escalate": ("sample",),
    "test": ("accept", "select"),
    "accept": (),
    "ask": (),
}
"""Node -> nodes that may follow. `accept`'s step is called `finish`."""


async def debug_task(context: DebugContext) -> TaskResult:
    """Write a task's files in its worktree until evidence accepts them, or report what help is needed.

    Raises:
        AtosError: no model, no sandbox, or a server can't be reached. A task without an acceptable
            candidate is a result, not an error.
    """
    state = await debug_graph(context)(dict(first_state()))
    return decode(TaskResult, state["outcome"])


def debug_graph(context: DebugContext) -> Run:
    """Return the graph of one task."""
    sampler, testers = Sampler(context), Testers(context)
    judging, final, ending = Judging(context), FinalTest(context), Ending(context)
    nodes = (
        sampler.examples,
        sampler.sample,
        sampler.combine,
        sampler.translate,
        sampler.refuse,
        sampler.repair,
        sampler.escalate,
        judging.check,
        judging.evaluate,
        judging.select,
        testers.testers,
        final.test,
        ending.accept,
        ending.ask,
    )

    def after_testers(state: DebugState) -> str:
        """Ask all testers before anything runs: one run judges them all."""
        wanted = testers_wanted(
            read_state(state),
            context.plans[state["stage"]],
            functions_of(context.task),
            stated_errors=bool(unshown_errors(context.task)),
        )
        return "testers" if state["asked"] < wanted else "evaluate"

    choices = {
        "examples": _after_examples,
        "check": _after_check,
        "testers": after_testers,
        "select": _after_select,
        "test": _after_test,
    }
    return build(DebugState, TRANSITIONS, nodes, choices)


def _after_check(state: DebugState) -> str:
    """Evaluate as soon as there is an assertion; without one a candidate can only be counted."""
    fresh = read_state(state).candidates[-1]
    return "evaluate" if state["assertions"] and fresh.usable else "select"


def _after_examples(state: DebugState) -> str:
    return "check" if state["candidates"] else "sample"


def _after_select(state: DebugState) -> str:
    return str(state["move"]["node"])


def _after_test(state: DebugState) -> str:
    return "accept" if state["move"]["node"] == "accept" else "select"
