"""What must be true of every schedule. Those with (*) are checked at each step that is recorded, in `library`.

every_goal_ends                      whatever was accepted is in a final state, and nothing runs for it
workers_never_end_by_themselves      (*) no fault of the database, git or disk ends a worker
bodies_never_fail                    (*) a goal's run returns a record, a task's an outcome
replay_asks_the_same                 (*) a body that runs again asks for the recorded steps in their order
recorded_steps_have_their_events     (*) what a step told is on disk before its result is
trouble_of_the_machine_is_never_recorded   (*) it is waited out; only an engine that keeps failing is a result
one_commit_per_effect                no effect is on the goal's line twice
nothing_made_is_lost                 each effect is where a person finds it: on the branch, or on the side
done_tasks_are_committed             and only they
dependencies_come_first              a task's folder has what it depends on
ends_as_if_undisturbed               tasks and goal end as they would on a machine without faults, whoever else ends its worker
green_code_is_not_touched            a task that is done is not begun in a later revision
limits_count_work                    `limit_reached` says that so much was used, and nothing else does
paused_goals_rest                    (*) nothing begins for a goal that was paused a while ago
one_end_per_revision                 and none after it
older_and_more_urgent_goals_first    of those that wait, the next to begin is the one in front
views_are_folds                      a view folded in pieces is the view folded at once, and all tasks in it have settled
"""

from collections import Counter
from collections.abc import Mapping

from atos_orchestrator.events import GoalFold, fold
from atos_protocol.goals import FINAL_TASK_STATES, RESUMABLE_GOAL_STATES, Event, GoalView
from doubles.simulation.machine import Machine
from doubles.simulation.places import Place, Places
from doubles.simulation.story import GoalStory, Story, TaskStory
from doubles.simulation.work import Work, end_of

AHEAD = {"high": 3600, "normal": 0, "low": -3600}
"""Seconds by which a goal counts as older."""


def check_at_the_end(story: Story, here: Machine, places: Places, work: Work) -> None:
    """Check all that can be checked when everything has ended."""
    for goal in story.goals:
        events = here.tables.of_goal[goal.id]
        view = fold(events)
        _ends(here, goal, events)
        _views(here, events, view)
        _limits(here, goal, events, view)
        _green(here, events, work)
        if goal.fatal and view.state in {"failed", "needs_help"}:
            continue  # it, or tasks of it, were abandoned, and may be tried again
        if view.state != "cancelled":
            states = _Undisturbed(goal, events).states()
            _as_if_undisturbed(here, goal, view, states, places.of[goal.id])
        if goal.id in places.of:
            _repository(here, goal, places.of[goal.id], view)
    _order(story, here)


def _ends(here: Machine, goal: GoalStory, events: list[Event]) -> None:
    kinds = [e.kind for e in events if e.kind in {"goal_finished", "goal_resumed"}]
    expected = ["goal_finished", *["goal_resumed", "goal_finished"] * kinds.count("goal_resumed")]
    if kinds != expected:
        here.violated("one_end_per_revision", f"{goal.id}: {kinds}")


def _views(here: Machine, events: list[Event], view: GoalView) -> None:
    cut = int(here.chance.between("pieces", -4.0, 1.0) * len(events))
    # One in five, because folding costs more than all the rest of this page.
    if cut >= 0 and GoalFold().plus(events[:cut]).plus(events[::-1]).view != view:
        here.violated("views_are_folds", f"{view.id}: folded in pieces it is another")
    if unsettled := [task.id for task in view.tasks if task.state not in FINAL_TASK_STATES]:
        here.violated("views_are_folds", f"{view.id}: {unsettled} have not settled")


def _limits(here: Machine, goal: GoalStory, events: list[Event], view: GoalView) -> None:
    used = sum(event.kind == "model_call" for event in events)
    told = goal.id, view.state, used
    resumed = any(event.kind == "goal_resumed" for event in events)
    if view.state == "limit_reached" and used < goal.most_calls:
        here.violated("limits_count_work", f"{told}: limit of {goal.most_calls}")
    if not resumed and used >= goal.most_calls + len(goal.tasks):
        here.violated("limits_count_work", f"{told}: limit of {goal.most_calls}")


def _green(here: Machine, events: list[Event], work: Work) -> None:
    revision, done = 1, dict[str, int]()
    for event in events:
        revision += event.kind == "goal_resumed"
        if event.kind == "task_done" and event.data["state"] == "done":
            done.setdefault(event.task, revision)
    for goal, task, begun in work.begun:
        if goal == events[0].goal and begun > done.get(task, begun):
            here.violated("green_code_is_not_touched", f"{goal} {task} in revision {begun}")


class _Undisturbed:
    """How the tasks of a goal end where nothing disturbs it."""

    def __init__(self, goal: GoalStory, events: list[Event]) -> None:
        self._goal = goal
        self._resumed = sum(event.kind == "goal_resumed" for event in events)
        self._answered = set[str]()

    def states(self) -> Mapping[str, str]:
        """Return the state of each task, after as many revisions as there were."""
        states: dict[str, str] = {}
        for revision in range(1, self._resumed + 2):
            what = self._goal.steering[revision - 2] if revision > 1 else "retry"
            again = self._again(what, states)
            for task in self._goal.tasks:
                if task.id in again:
                    states[task.id] = self._state(task, states, revision)
        return states

    def _again(self, what: str, states: Mapping[str, str]) -> set[str]:
        """Return the tasks of a revision: all that are not done, or the answered one and what waited for it."""
        undone = {task.id for task in self._goal.tasks if states.get(task.id) != "done"}
        if what == "retry":
            return undone
        self._answered.add(what)
        again = {what} & undone
        for task in self._goal.tasks:
            free = all(need in again or states.get(need) == "done" for need in task.depends_on)
            if states.get(task.id) == "skipped" and free:
                again.add(task.id)
        return again

    def _state(self, task: TaskStory, states: Mapping[str, str], revision: int) -> str:
        if any(states[need] != "done" for need in task.depends_on):
            return "skipped"
        end = end_of(task, revision, answered=task.id in self._answered)
        return "done" if end == "done" else "failed"


def _as_if_undisturbed(
    here: Machine, goal: GoalStory, view: GoalView, states: Mapping[str, str], place: Place
) -> None:
    if view.state == "limit_reached" or goal.most_calls < 200:
        return
    found = {task.id: task.state for task in view.tasks}
    if found != dict(states):
        here.violated("ends_as_if_undisturbed", f"{goal.id}: {found}, not {states}")
    done = set(states.values()) == {"done"}
    if place.contradicted and place.side:
        fits = view.state == "needs_help"
    else:
        fits = view.state == "success" if done else view.state in RESUMABLE_GOAL_STATES
    if not fits:
        here.violated("ends_as_if_undisturbed", f"{goal.id} {view.state}: {view.summary}")


def _repository(here: Machine, goal: GoalStory, place: Place, view: GoalView) -> None:
    line = place.effects(place.line)
    if twice := [key for key, count in Counter(line).items() if count > 1]:
        here.violated("one_commit_per_effect", f"{goal.id}: {twice}")
    found = set(place.effects(place.main)) | set(place.effects(place.side))
    if view.state != "cancelled" and (lost := set(line) - found):
        here.violated("nothing_made_is_lost", f"{goal.id}: {sorted(lost)}")
    committed = {task.id for task in goal.tasks if f"{goal.id}:{task.id}" in line}
    done = {task.id for task in view.tasks if task.state == "done"}
    if done - committed or (view.state != "cancelled" and committed - done):
        here.violated("done_tasks_are_committed", f"{goal.id}: {done} done, {committed} committed")
    needs = {task.id: task.depends_on for task in goal.tasks}
    for task, had in place.opened:
        if lacking := [need for need in needs[task] if f"{goal.id}:{need}" not in had]:
            here.violated("dependencies_come_first", f"{goal.id} {task} began without {lacking}")


def _order(story: Story, here: Machine) -> None:
    """Check that no goal was taken while one waited that goes before it."""
    accepted = {
        goal.id: int(event.at) - AHEAD[goal.priority]
        for goal in story.goals
        for event in here.tables.of_goal[goal.id][:1]
    }
    for taken, waiting in here.tables.claims:
        ahead = [run for run in waiting if accepted.get(run, 0) < accepted.get(taken, 0)]
        if taken in accepted and (ahead := [run for run in ahead if run in accepted]):
            how = f"{taken} was taken before {ahead}"
            here.violated("older_and_more_urgent_goals_first", how)
