import assert from "node:assert/strict";
import { test } from "node:test";
import { heard, nothing, type Seen } from "../src/store";
import type { Goal, Happened } from "../src/types";

const goal = { id: "g1", tasks: [] } as unknown as Goal;
const event = (n: number, kind = "code_written", data: Record<string, unknown> = {}): Happened => ({ n, kind, task: "T1", at: n, said: `event ${n}`, data });
const news = (seen: Seen, ...events: Happened[]) => heard(seen, "news", { goal, events }, 0);
const device = (committed: number) => ({ name: "cpu", kind: "cpu", total: 10, budget: 8, committed, foreign: 1 });
const machine = (committed: number) => ({ devices: [device(committed)], residencies: [], leases: [], notice: "", paused: false, engines: [] });

test("events that a page heard already, after a lost connection, are not shown twice", () => {
  const seen = news(news(nothing(), event(1), event(2)), event(2), event(3));
  assert.deepEqual(seen.events.map(({ n }) => n), [1, 2, 3]);
});

test("an open page does not grow: the last 400 events, 200 decisions, 300 looks at a device are kept", () => {
  let seen = nothing();
  for (let n = 1; n <= 1000; n++) {
    seen = news(seen, event(n));
    seen = heard(seen, "decisions", [{ seq: n, at: n, text: "Grant", chosen: false }], n);
    seen = heard(seen, "machine", machine(n), n);
  }
  assert.deepEqual([seen.events.length, seen.decisions.length, seen.samples.get("cpu")!.length], [400, 200, 300]);
  assert.deepEqual([seen.events.at(-1)!.n, seen.decisions.at(-1)!.seq, seen.samples.get("cpu")!.at(-1)!.at], [1000, 1000, 1000]);
});

test("a scheduler that was started anew counts anew, and its decisions replace the former's", () => {
  const first = heard(nothing(), "decisions", [{ seq: 8, at: 1, text: "a", chosen: true }], 0);
  const second = heard(first, "decisions", [{ seq: 0, at: 2, text: "b", chosen: true }], 0);
  assert.deepEqual(second.decisions.map(({ text }) => text), ["b"]);
});

test("the plan's dependencies are those of its newest form", () => {
  const plan = (needs: string[]) => ({ tasks: [{ id: "T1" }, { id: "T2", depends_on: needs }] });
  const seen = news(nothing(), event(1, "plan_ready", plan(["T1"])), event(2, "plan_ready", plan([])));
  assert.deepEqual([...seen.needs], [["T1", []], ["T2", []]]);
});

test("a scheduler that sleeps leaves the memory's history as it is", () => {
  const seen = heard(heard(nothing(), "machine", machine(3), 1), "machine", null, 2);
  assert.deepEqual([seen.machine, seen.samples.get("cpu")!.length], [null, 1]);
});

test("what is said by a newer host and unknown here is let pass", () => {
  const seen = nothing();
  assert.equal(heard(seen, "weather", { rain: true }, 0), seen);
});

test("what a connection lacks is remembered once", () => {
  assert.deepEqual(heard(heard(nothing(), "lacks", "goals", 0), "lacks", "goals", 0).lacks, ["goals"]);
});
