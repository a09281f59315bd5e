"""What one schedule is about: goals, what their tasks come to, what people do meanwhile, and the faults that strike.

Everything is made from the seed, and is data, so that a schedule that fails can be made smaller.
"""

from dataclasses import dataclass, replace
from typing import Literal

from atos_orchestrator.execution.crash_points import STEP_POINTS, SUBMIT_POINTS
from atos_protocol.goals import Priority
from doubles.simulation.chance import Chance

FaultKind = Literal[
    "kill worker",
    "kill at point",
    "machine off",
    "kill host",
    "database away",
    "no git",
    "disk full",
    "clock jump",
    "slow",
    "lost notice",
]
KINDS: tuple[FaultKind, ...] = (
    "kill worker",
    "kill at point",
    "kill at point",
    "machine off",
    "kill host",
    "database away",
    "no git",
    "disk full",
    "clock jump",
    "slow",
    "lost notice",
)
STRUCK_POINTS = tuple(
    point
    for point in (*STEP_POINTS, *SUBMIT_POINTS)
    if point.split(".")[1]
    in {"intake", "advance", "integrate", "verify", "record", "aggregate"}
    | {"worktree", "sample", "commit", "submit"}
)
MID_CANCEL = "host.cancelled"
"""A point of the simulation's own: a goal's run is cancelled, and nothing is told of it yet."""
VERDICTS = ("needs_help", "asks", "packages", "internal", "bad_config") * 4 + ("engine",)
TROUBLES = ("busy", "unreachable", "io", "disk_full", "deadline")


@dataclass(frozen=True)
class TaskStory:
    """One task: `ends` says by revision what it comes to, the last one for all later ones."""

    id: str
    depends_on: tuple[str, ...] = ()
    ends: tuple[str, ...] = ("done",)
    calls: int = 1
    trouble: str = ""
    """Code of an error that a call of it meets first."""
    trouble_s: float = 0.0
    kills_after: float = -1.0
    """Seconds of its first call after which it ends its worker, each time; below 0: it does not."""


@dataclass(frozen=True)
class GoalStory:
    """One goal."""

    id: str
    at: float
    tasks: tuple[TaskStory, ...]
    priority: Priority = "normal"
    most_calls: int = 200
    cancel_at: float = 0.0
    """Virtual seconds after it was submitted; 0: never."""
    pause_at: float = 0.0
    """Virtual seconds after which it is paused; 0: never."""
    pause_s: float = 0.0
    acts: tuple[tuple[float, str], ...] = ()
    """What a person does in the repository, and when."""
    steering: tuple[str, ...] = ()
    """What is handed in when it has stopped: `retry` or the id of a task that is answered."""

    @property
    def fatal(self) -> bool:
        """Whether it ends its worker again and again, until it is abandoned."""
        return any(task.kills_after >= 0 for task in self.tasks)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    kind: FaultKind
    at: float
    seconds: float = 0.0
    point: str = ""
    nth: int = 1


@dataclass(frozen=True)
class Story:
    """One schedule."""

    seed: int
    goals: tuple[GoalStory, ...]
    faults: tuple[Fault, ...]
    at_once: int


def story_of(seed: int) -> Story:
    """Make a schedule from its number."""
    chance = Chance(seed)
    many = chance.pick("goals", (1, 1, 1, 1, 1, 1, 2, 2, 3))
    goals = tuple(_goal(chance, f"g{number}") for number in range(1, many + 1))
    most = chance.pick("faults", (0, 1, 1, 2, 2, 3, 4))
    faults = tuple(_fault(chance) for _ in range(most))
    if any(goal.cancel_at for goal in goals) and chance.number("cut cancel") < 0.3:
        faults = (*faults, Fault("kill at point", 0.0, point=MID_CANCEL))
    return Story(seed, goals, faults, chance.pick("window", (1, 2, 2)))


def _goal(chance: Chance, goal: str) -> GoalStory:
    size = chance.pick("size", (1, 1, 1, 2, 2, 2, 3, 4))
    tasks = tuple(_task(chance, number) for number in range(1, size + 1))
    told = GoalStory(goal, chance.between("at", 0.0, 3.0), tasks)
    told = replace(told, priority=chance.pick("priority", ("low", "normal", "normal", "high")))
    if chance.number("limited") < 0.05:
        busier = tuple(replace(task, calls=task.calls + 2) for task in tasks)
        told = replace(told, tasks=busier, most_calls=chance.pick("most", (1, 2, 3)))
    if chance.number("cancelled") < 0.08:
        told = replace(told, cancel_at=chance.between("cancel", 0.01, 4.0))
    if chance.number("paused") < 0.12:
        at, seconds = chance.between("pause at", 0.01, 5.0), chance.between("pause s", 0.1, 60.0)
        told = replace(told, pause_at=at, pause_s=seconds)
    if chance.number("person") < 0.15:
        what = chance.pick("act", ("commit", "commit", "squash", "contradict"))
        told = replace(told, acts=((chance.between("act at", 0.5, 6.0), what),))
    if chance.number("poison") < 0.02:
        fatal = replace(tasks[-1], kills_after=chance.pick("kills after", (0.0, 0.5, 30.0, 90.0)))
        return replace(told, tasks=(*told.tasks[:-1], fatal), cancel_at=0.0)
    stuck = [task.id for task in tasks if task.ends[0] != "done"]
    if stuck and chance.number("steered") < 0.7:
        first = chance.pick("steering", ("retry", "retry", stuck[0]))
        more = ("retry",) if chance.number("again") < 0.3 else ()
        told = replace(told, steering=(first, *more))
    return told


def _task(chance: Chance, number: int) -> TaskStory:
    earlier = [f"T{n}" for n in range(1, number)]
    needs = tuple(name for name in earlier if chance.number("needs") < 0.4)
    told = TaskStory(f"T{number}", needs, calls=chance.pick("calls", (1, 1, 1, 2)))
    if chance.number("stuck") < 0.15:
        first = chance.pick("verdict", VERDICTS)
        told = replace(told, ends=(first, chance.pick("then", ("done", "done", first))))
    if chance.number("trouble") < 0.1:
        seconds = chance.between("trouble s", 0.1, 15.0)
        long = chance.number("long") < 0.05
        told = replace(told, trouble=chance.pick("code", TROUBLES))
        told = replace(told, trouble_s=seconds * (10 if long else 1))
    return told


def _fault(chance: Chance) -> Fault:
    kind = chance.pick("kind", KINDS)
    at = chance.between("fault at", 0.0, 6.0)
    seconds = chance.between("fault s", 0.1, 8.0)
    if kind == "kill at point":
        return Fault(
            kind, 0.0, 0.0, chance.pick("point", STRUCK_POINTS), chance.pick("n", (1, 1, 2))
        )
    if kind == "machine off":
        seconds = chance.between("off", 10.0, 50_000.0)
    elif kind == "clock jump":
        seconds = chance.between("jump", -86_400.0, 86_400.0)
    elif kind in {"database away", "no git", "disk full"} and chance.number("long fault") < 0.05:
        seconds *= 40
    return Fault(kind, at, seconds)
