"""The events of a goal, and the fold that turns them into what people see.

Events are the only record of a goal's progress. They are appended under unique keys, so a repeated
step does not double its event; the fold is indifferent to repeats anyway: it counts an event once, by its
number. Counts and states are *set*, never added to; only seconds are summed. A final state is left by
nothing but `goal_resumed`.

What a task's code rests on (`proof`, `evidence`) and what it asks (`question`) come from `task_done`, which
is written with the task's whole result; `selected` and `asked` tell of a decision while it is made.

What `data` holds by kind (all of it optional for the fold, which never raises):

    goal_submitted   goal, repository, priority (low|normal|high), owner (name of the HTTP client's token)
    goal_started     engine, models, repository, isolation, uid, interpreter
    announcement     text
    plan_ready       tasks [{id, title, complexity, depends_on}], notes [text], brief {modules, signatures, examples,
                     errors, constraints, packages (counts), language}
    task_queued      pool
    task_routed      pool, by (n8n|builtin: the workflow did not), why, revision
    task_started     round
    model_call       role, pool, model, engine, started_at, ended_at, prompt_tokens, reused_tokens,
                     prompt_seconds (to read the rest), tokens, seconds (to write them), queued (seconds before
                     started_at, of which loading), load_why, load_victims [model] (only with a load), round
    code_written     path, sha, round, parts [candidate] where it is put together from others, translated or guarded
                     (candidate) where it is made of one
    syntax_checked   ok, round, fault
    tests_run        which (acceptance|model|stub|verify), ok, proven (outside|in-process|nothing), passed, failed,
                     isolation, uid, interpreter, started_at, ended_at, round, untested (there is none to run)
    evidence_found   examples, errors, tests (counts), seeds, can_be_run
    evaluated        candidates, rows, calls (counts), judged [candidate], passed [count of rows, of each of them],
                     started_at, ended_at, isolation, uid, interpreter
    selected         candidate, proof, evidence, kept (count), dropped [{assertion, why}], next
    reflected        cause, round
    asked            question {text, call, options}
    goal_resumed     tasks [id] (those that run again), text, anew (it will have another plan)
    plan_review      digest, plan (as it is handed in)
    noted            text (of a person, for tasks that begin later)
    limits_set       seconds, model_calls (0: as it is), revision
    goal_paused      (nothing: a person has paused it)
    goal_unpaused    (nothing: it goes on)
    task_committed   commit
    task_done        state (done|failed|skipped|cancelled), rounds, digest, proof, evidence,
                     question {text, call, options}, branches [name]
    goal_verified    passed, failed, isolation, uid, interpreter, untested
    goal_finished    state, summary, repository, deployment_url, error {code, message, next}
    waiting          for, code, since (epoch seconds), pause (seconds to the next try), ahead (in a queue)
    warning          text
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from atos_orchestrator.event_fold import goal_changes as goals
from atos_orchestrator.event_fold import task_changes as tasks
from atos_orchestrator.event_fold.state import Fold, with_waiting
from atos_orchestrator.time_spent import add_event, with_rest
from atos_protocol.goals import FINAL_GOAL_STATES, Event, GoalView


@dataclass(frozen=True, slots=True)
class GoalFold:
    """The fold of a goal's events so far, which goes on with what is new."""

    _state: Fold = field(default_factory=Fold)

    @property
    def view(self) -> GoalView:
        """What a person sees of the goal."""
        return self._state.view

    def plus(self, events: Iterable[Event]) -> GoalFold:
        """Return the fold with more events; those up to the last one that was folded are known."""
        known = self._state.view
        unique = {event.seq: event for event in events if event.seq > known.seq}
        if not unique:
            return self
        told = [unique[seq] for seq in sorted(unique)]
        state, seconds, spent = _begun(self._state, told[0]), known.seconds, known.spent
        for event in told:
            state, counts = _apply(state, event)
            if counts:
                seconds = event.at - state.first_at - state.idle_until(event.at)
                spent = add_event(spent, event.kind, event.data)
        seconds = max(0.0, round(seconds, 3))
        view = replace(
            state.view, seq=told[-1].seq, seconds=seconds, spent=with_rest(spent, seconds)
        )
        return GoalFold(replace(state, view=view))


def fold(events: Iterable[Event]) -> GoalView:
    """Return what a person sees of a goal after these events, in whatever order and however often.

    An event counts once, by its sequence number. Unknown kinds and unfit data change nothing.
    """
    return GoalFold().plus(events).view


def _begun(state: Fold, first: Event) -> Fold:
    """Note whose events these are, and when the first one was."""
    if state.view.seq:
        return state
    return replace(state, first_at=first.at, view=replace(state.view, id=first.goal))


def _apply(state: Fold, event: Event) -> tuple[Fold, bool]:
    """Return the fold with one more event, and whether the goal had not ended before it."""
    if event.kind == "goal_resumed":
        state = goals.resumed(state, event)
    if state.view.state in FINAL_GOAL_STATES:
        return state, False
    state = goals.uncovered(with_waiting(state, event))
    if (change := _CHANGES.get(event.kind)) is not None:
        state = change(state, event)
    return goals.covered(state, event), True


_CHANGES: Mapping[str, Callable[[Fold, Event], Fold]] = {
    "goal_submitted": goals.submitted,
    "goal_started": goals.started,
    "announcement": goals.announced,
    "plan_ready": goals.planned,
    "task_queued": tasks.moving("queued"),
    "task_started": tasks.moving("running"),
    "model_call": tasks.model_called,
    "code_written": tasks.moving(None),
    "syntax_checked": tasks.moving(None),
    "tests_run": tasks.tested,
    "reflected": tasks.moving(None),
    "evaluated": tasks.judged,
    "task_committed": tasks.moving(None),
    "task_done": tasks.task_done,
    "goal_paused": goals.paused,
    "goal_unpaused": goals.unpaused,
    "goal_verified": goals.verified,
    "goal_finished": goals.finished,
}
"""Kind -> how it changes the view; a kind that is missing here only moves `seq` and `seconds`."""
