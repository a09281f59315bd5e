/** What the list shows of a goal, as the host's `feed.py` tells it to the page in a browser. Pure. */

import type { Goal, GoalRow } from "./types";

const MOST_CHARACTERS = 300;

export const goalRow = (goal: Goal): GoalRow => ({
  id: goal.id,
  goal: goal.goal.slice(0, MOST_CHARACTERS),
  state: goal.state,
  seconds: Math.round(goal.seconds),
  tasks: goal.tasks.length,
  done: goal.tasks.filter((task) => task.state === "done").length,
  asks: goal.tasks.filter((task) => task.question.text).length,
  tests: goal.tests,
});
