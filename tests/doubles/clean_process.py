"""Removes the records of all goals that are a day old; says so when it begins. For tests that kill it."""

import sys

from atos_protocol.records import DAY, CleanRequest
from doubles.kept_goals import KeptGoals

if __name__ == "__main__":
    kept = KeptGoals()
    sys.stdout.write("begins\n")
    sys.stdout.flush()
    kept.clean(CleanRequest(older_than=DAY))
