import assert from "node:assert/strict";
import { test } from "node:test";
import { waterfall } from "../src/bars";
import type { Happened } from "../src/types";

const event = (n: number, kind: string, task: string, at: number, data: Record<string, unknown> = {}): Happened => ({ n, kind, task, at, said: "", data });
const call = (n: number, task: string, start: number, end: number, more = {}) =>
  event(n, "model_call", task, end, { model: "m", started_at: start, ended_at: end, queued: 0, loading: 0, ...more });

test("a call is drawn with the load and the wait before it, and a run of tests after it", () => {
  const found = waterfall([call(1, "T1", 110, 115, { queued: 6, loading: 4 }), event(2, "tests_run", "T1", 118, { started_at: 116, ended_at: 118 })])!;
  const bars = found.lanes[0]!.bars.map(({ kind, start, end }) => `${kind} ${start}-${end}`);
  assert.deepEqual(bars, ["model 110-115", "load 106-110", "wait 104-106", "sandbox 116-118"]);
  assert.deepEqual([found.start, found.end], [104, 118]);
  assert.deepEqual(found.totals, [["model", 5], ["load", 4], ["sandbox", 2], ["wait", 2]]);
});

test("a wait ends with the next event of its task, and tasks stand in the order of their begin", () => {
  const found = waterfall([event(1, "waiting", "T2", 10, { since: 9, for: "a sandbox" }), call(2, "T1", 5, 8), event(3, "task_done", "T2", 14)])!;
  assert.deepEqual(found.lanes.map(({ task }) => task), ["T1", "T2"]);
  assert.deepEqual(found.lanes[1]!.bars, [{ kind: "wait", start: 9, end: 14, about: "a sandbox" }]);
});

test("where nothing took time there is nothing to draw, whatever the events hold", () => {
  assert.equal(waterfall([]), null);
  assert.equal(waterfall([event(1, "tests_run", "T1", 3, { started_at: "soon", ended_at: Infinity }), event(2, "code_written", "T1", 4)]), null);
});
