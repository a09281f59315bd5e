"""`cd tests && python -m doubles.simulation SEED [COUNT]`: play one schedule and print it, or count those that go wrong."""

import sys
import time

from doubles.simulation.playing import on_all_cores, player, shrunk, told
from doubles.simulation.story import story_of


def main(first: int, count: int = 1) -> int:
    """Return 1 where an invariant was violated."""
    if count == 1:
        with player() as played:
            found = shrunk(story_of(first), played)
        sys.stdout.write(told(found) + "\n")
        return bool(found.violations)
    began = time.monotonic()
    wrong = on_all_cores(first, count)
    minutes = (time.monotonic() - began) / 60
    sys.stdout.write("".join(f"{each.story.seed} {each.violations[0]}\n" for each in wrong))
    sys.stdout.write(f"{count} schedules, {len(wrong)} wrong, {count / minutes:.0f} a minute\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
