"""Where the debug loop goes next: pure functions of its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atos_orchestrator.agents.roles import Profile
from atos_orchestrator.debugging.attempts import Attempt
from atos_orchestrator.debugging.state import DebugState
from atos_orchestrator.ports import Json
from atos_orchestrator.task import Task, test_file

MAX_TESTS_VERSIONS = 2
"""How often the tester may write the tests of a task."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The edges of one task's graph."""

    task: Task
    profile: Profile
    attempts: Sequence[Attempt]

    @property
    def tested(self) -> bool:
        """Whether another role writes tests for this task."""
        return self.profile == "general" and bool(test_file(self.task))

    def may_retest(self, state: DebugState) -> bool:
        """Tell whether the tester may write once more."""
        return self.tested and state["tests_version"] < MAX_TESTS_VERSIONS

    def first(self, state: DebugState) -> str:
        """Tests come before code."""
        return "tests" if self.tested else "code"

    def after_tests(self, state: DebugState) -> str:
        """Tests that can't be used are written once more."""
        if state["fault"]:
            return "tests" if self.may_retest(state) else "give_up"
        return "test" if state["draft"] else "code"

    def after_code(self, state: DebugState) -> str:
        """Files that were refused are not even compiled."""
        return "reflect" if state["fault"] else "syntax"

    def after_syntax(self, state: DebugState) -> str:
        """What does not compile is not run; a page of documentation can't be."""
        if state["fault"]:
            return "reflect"
        judged = self.tested or self.profile == "mini" or self.task.kind == "test"
        return "test" if judged else "accept"

    def after_test(self, state: DebugState) -> str:
        """Only tests that were seen to fail on a stub may accept code."""
        if state["fault"]:
            return "reflect"
        if state["tests_proven"] or self.profile == "mini":
            return "accept"
        return "tests" if self.may_retest(state) else "give_up"

    def after_reflect(self, state: DebugState) -> str:
        """Try again, doubt the tests once, or ask for help."""
        if state["at"] >= len(self.attempts):
            return "give_up"
        return "tests" if self.doubted(state, state["reflection"]) else "code"

    def doubted(self, state: DebugState, reflection: Json) -> bool:
        """Tell whether a reflection sends the tests back to the tester."""
        return bool(reflection.get("test_wrong")) and self.may_retest(state)
