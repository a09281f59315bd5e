"""What is counted for Prometheus: numbers of goals, tasks, calls and runs, folded from events as they come. Pure.

Counters begin at 0 with the process that counts, as Prometheus expects. Labels are states, and names of pools, roles, models
and tools: a few dozen series, however many goals there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from atos_protocol.goals import Event
from atos_protocol.redaction import redacted

Labels = tuple[tuple[str, str], ...]
MOST_SERIES = 500
"""Series of one metric; what comes beyond is counted under the label `other`."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric by its name, without `_total`, which counters get."""

    name: str
    about: str


METRICS = (
    Metric("atos_goals_submitted", "Goals that were submitted or resumed."),
    Metric("atos_goals_ended", "Ends of goals' runs, by state."),
    Metric("atos_tasks_ended", "Tasks that ended, by state."),
    Metric("atos_questions", "Questions that a person was asked."),
    Metric("atos_candidates", "Candidates that were written."),
    Metric("atos_model_calls", "Calls of models that were answered."),
    Metric("atos_model_tokens", "Tokens that were read or written."),
    Metric("atos_model_seconds", "Seconds of calls: queued (loading left out), loading, reading, writing."),
    Metric("atos_model_loads", "Loads that a call waited for."),
    Metric("atos_sandbox_runs", "Runs of code in a sandbox, by tool and whether all passed."),
    Metric("atos_sandbox_seconds", "Seconds of such runs, by tool."),
    Metric("atos_waits", "Waits, by what was waited for."),
)  # fmt: skip


class Counters:
    """The fold."""

    def __init__(self) -> None:
        self._of: dict[str, Counter[Labels]] = {metric.name: Counter() for metric in METRICS}

    def values(self, name: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of every series of a metric, in a steady order."""
        return [(dict(labels), value) for labels, value in sorted(self._of[name].items())]

    def add(self, events: Iterable[Event]) -> None:
        """Count further events; one of another shape than expected counts with what can be read of it."""
        for event in events:
            self._add(event)

    def _count(self, name: str, amount: float = 1.0, **labels: str) -> None:
        series = self._of[name]
        key = tuple(sorted((label, redacted(text)[:80]) for label, text in labels.items()))
        if key not in series and len(series) >= MOST_SERIES:
            key = tuple((label, "other") for label, _ in key)
        series[key] += amount  # pyright: ignore[reportArgumentType] - a Counter of seconds

    def _add(self, event: Event) -> None:
        state = str(event.data.get("state") or "")
        match event.kind:
            case "goal_submitted" | "goal_resumed":
                self._count("atos_goals_submitted")
            case "goal_finished":
                self._count("atos_goals_ended", state=state)
            case "task_done":
                self._count("atos_tasks_ended", state=state)
            case "asked":
                self._count("atos_questions")
            case "code_written":
                self._count("atos_candidates")
            case "waiting":
                self._count("atos_waits", what=str(event.data.get("code") or "queue"))
            case "model_call":
                self._call(event)
            case "tests_run" | "evaluated":
                self._run(event)
            case _:
                pass

    def _call(self, event: Event) -> None:
        who = {name: str(event.data.get(name) or "") for name in ("model", "pool", "role")}
        self._count("atos_model_calls", model=who["model"], pool=who["pool"], role=who["role"])
        for field, direction in (("prompt_tokens", "read"), ("tokens", "written")):
            self._count(
                "atos_model_tokens", _number(event, field), model=who["model"], direction=direction
            )
        loading = _number(event, "loading")
        queued = max(0.0, _number(event, "queued") - loading)
        phases = {
            "queued": queued, "loading": loading, "reading": _number(event, "prompt_seconds"),
            "writing": _number(event, "seconds"),
        }  # fmt: skip
        for phase, seconds in phases.items():
            self._count("atos_model_seconds", seconds, model=who["model"], phase=phase)
        if loading:
            self._count("atos_model_loads", model=who["model"])

    def _run(self, event: Event) -> None:
        tool = "run_pytest" if event.kind == "tests_run" else "evaluate"
        passed = "" if event.kind == "evaluated" else str(bool(event.data.get("ok"))).lower()
        seconds = max(0.0, _number(event, "ended_at") - _number(event, "started_at"))
        self._count("atos_sandbox_runs", tool=tool, passed=passed)
        self._count("atos_sandbox_seconds", seconds, tool=tool)


def _number(event: Event, name: str) -> float:
    value = event.data.get(name)
    return float(value) if isinstance(value, int | float) and 0 < value < 1e12 else 0.0
