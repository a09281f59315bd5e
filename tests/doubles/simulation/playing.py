"""Plays schedules by their numbers: one after the other, on all cores, and once more with what does not matter taken away."""

import asyncio  # noqa: TID251  # processes are tasks of a loop of the simulation's own
import gc
import multiprocessing
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from doubles.simulation.schedule import Played, play
from doubles.simulation.seams import simulated
from doubles.simulation.story import GoalStory, Story, TaskStory, story_of
from doubles.simulation.virtual_time import VirtualLoop

Player = Callable[[Story], Played]
CHUNK = 250
COLLECT = (50_000, 20, 100)
"""A schedule is garbage as a whole, and all at once: looked for as often as usual, it takes an eighth of the time."""


@contextmanager
def player() -> Generator[Player]:
    """Yield what plays schedules, while the simulated machine stands in for the real one."""
    loop = VirtualLoop()
    gc.collect()
    gc.freeze()  # or each collection walks over all that was ever imported
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT)
    try:
        with simulated():
            yield lambda story: loop.run_until_complete(play(story))
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
        loop.close()
        asyncio.set_event_loop(None)


def violating(seeds: Iterable[int]) -> Iterator[Played]:
    """Play the schedules of these numbers; yield those that violate an invariant."""
    with player() as played:
        for seed in seeds:
            if (found := played(story_of(seed))).violations:
                yield found


def _chunk(first: int) -> list[Played]:
    return list(violating(range(first, first + CHUNK)))


def on_all_cores(first: int, count: int) -> list[Played]:
    """Play so many schedules; return those that violate an invariant."""
    with multiprocessing.get_context("spawn").Pool() as pool:
        chunks = pool.imap_unordered(_chunk, range(first, first + count, CHUNK))
        return [found for chunk in chunks for found in chunk]


def shrunk(story: Story, played: Player) -> Played:
    """Return the smallest schedule that still violates the same invariant, taking away one thing at a time."""
    best = played(story)
    wanted = {how.partition(":")[0] for how in best.violations}
    if not wanted:
        return best
    again = True
    while again:
        again = False
        for smaller in _smaller(best.story):
            found = played(smaller)
            if wanted & {how.partition(":")[0] for how in found.violations}:
                best, again = found, True
                break
    return best


def _smaller(story: Story) -> Iterator[Story]:
    for n in range(len(story.goals)):
        if len(story.goals) > 1:
            yield replace(story, goals=(*story.goals[:n], *story.goals[n + 1 :]))
    for n in range(len(story.faults)):
        yield replace(story, faults=(*story.faults[:n], *story.faults[n + 1 :]))
    for n, goal in enumerate(story.goals):
        for less in _simpler(goal):
            yield replace(story, goals=(*story.goals[:n], less, *story.goals[n + 1 :]))


def _simpler(goal: GoalStory) -> Iterator[GoalStory]:
    plain = GoalStory(goal.id, goal.at, goal.tasks)
    for name in ("acts", "steering", "cancel_at", "pause_at", "priority", "most_calls"):
        if getattr(goal, name) != getattr(plain, name):
            yield replace(goal, **{name: getattr(plain, name)})
    named = {need for task in goal.tasks for need in task.depends_on} | set(goal.steering)
    for n, task in enumerate(goal.tasks):
        others = goal.tasks[:n], goal.tasks[n + 1 :]
        if len(goal.tasks) > 1 and task.id not in named:
            yield replace(goal, tasks=(*others[0], *others[1]))
        if task != (simple := TaskStory(task.id, task.depends_on)):
            yield replace(goal, tasks=(*others[0], simple, *others[1]))


def told(found: Played) -> str:
    """Return a schedule in words: what it is about, what happened, what is wrong."""
    story = [repr(each) for each in (*found.story.goals, *found.story.faults)]
    again = f"again: cd tests && python -m doubles.simulation {found.story.seed}"
    return "\n".join([*story, *found.trace, *found.violations, again])
