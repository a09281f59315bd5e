import assert from "node:assert/strict";
import { test } from "node:test";
import { parts } from "../src/place";
import { goalRow } from "../src/rows";
import type { Goal, Task } from "../src/types";
import { count, duration, MARK, proofText, said, shellWord, size } from "../src/words";

test("durations are in the unit that a person would use", () => {
  assert.deepEqual([0, 89.4, 90, 5399, 5400, 86400].map(duration), ["0 s", "89 s", "2 min", "90 min", "1.5 h", "24.0 h"]);
});

test("sizes are in binary units", () => {
  assert.deepEqual([0, 1023, 1024, 729 * 2 ** 20, 4 * 2 ** 30].map(size), ["0 B", "1023 B", "1 KiB", "729 MiB", "4.0 GiB"]);
});

test("one is no plural", () => {
  assert.deepEqual([0, 1, 2].map((n) => count(n, "task")), ["0 tasks", "1 task", "2 tasks"]);
});

test("every state of a goal or a task has a mark, and is said without underscores", () => {
  const states = ["pending", "queued", "planning", "running", "verifying", "waiting", "paused", "done", "success", "failed", "skipped", "cancelled", "needs_help", "limit_reached"];
  assert.deepEqual(states.filter((state) => !MARK[state] || said(state).includes("_")), []);
});

test("an address is read part by part, and one that is broken is shown as it is", () => {
  assert.deepEqual([parts(""), parts("#/"), parts("#/goal/a%20b/T1"), parts("#/goal/50%")], [[""], [""], ["goal", "a b", "T1"], ["goal", "50%"]]);
});

test("the row of a goal counts what is done and what asks", () => {
  const task = (state: string, asks: boolean) => ({ state, question: { text: asks ? "1 or 2?" : "" } }) as unknown as Task;
  const goal = { id: "g", goal: "x".repeat(400), state: "needs_help", seconds: 12.6, tests: { passed: 1, failed: 0 }, tasks: [task("done", false), task("failed", true)] } as unknown as Goal;
  assert.deepEqual(goalRow(goal), { id: "g", goal: "x".repeat(300), state: "needs_help", seconds: 13, tasks: 2, done: 1, asks: 1, tests: { passed: 1, failed: 0 } });
});

test("a path is written as a shell takes it", () => {
  assert.deepEqual(["/home/me/atos/x-1", "/home/my atos", "/it's"].map(shellWord), ["/home/me/atos/x-1", "'/home/my atos'", "'/it'\\''s'"]);
});

test("what is not proven says so beside its evidence", () => {
  const told = [["examples", "3 of 3 examples"], ["agreed", "4 of 5 candidates agree"], ["unproven", ""]].map(([proof, evidence]) => proofText({ proof: proof!, evidence: evidence! }));
  assert.deepEqual(told, ["3 of 3 examples", "agreed, not proven: 4 of 5 candidates agree", "not proven"]);
});
