import assert from "node:assert/strict";
import { test } from "node:test";
import { BOX, layout } from "../src/layout";

const plan = (needs: Record<string, string[]>) => layout(Object.keys(needs), new Map(Object.entries(needs)));
const column = (needs: Record<string, string[]>) =>
  Object.fromEntries(plan(needs).boxes.map(({ id, x }) => [id, x / (BOX.width + BOX.gapX)]));

test("a task stands one column after the last that it depends on", () => {
  assert.deepEqual(column({ T1: [], T2: ["T1"], T3: ["T1", "T2"], T4: [] }), { T1: 0, T4: 0, T2: 1, T3: 2 });
});

test("a dependency that is not in the plan, or a task's own name, draws no line", () => {
  assert.deepEqual(plan({ T1: ["T1", "T9"], T2: ["T1"] }).edges, [{ from: "T1", to: "T2" }]);
});

test("a plan with a circle in it ends, and shows every task once", () => {
  const drawn = plan({ T1: ["T3"], T2: ["T1"], T3: ["T2"] });
  assert.deepEqual(drawn.boxes.map((box) => box.id).sort(), ["T1", "T2", "T3"]);
});

test("an empty plan has a size", () => {
  const { boxes, width, height } = plan({});
  assert.deepEqual({ boxes, positive: width > 0 && height > 0 }, { boxes: [], positive: true });
});

test("no two boxes overlap, and all are within the drawing, whatever the plan", () => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below;
  for (let round = 0; round < 200; round++) {
    const count = 1 + random(30);
    const needs: Record<string, string[]> = {};
    for (let n = 1; n <= count; n++) needs[`T${n}`] = Array.from({ length: random(4) }, () => `T${1 + random(n)}`).filter((id) => id !== `T${n}`);
    const { boxes, edges, width, height } = plan(needs);
    const at = new Map(boxes.map((box) => [box.id, box]));
    assert.equal(boxes.length, count);
    assert.equal(new Set(boxes.map(({ x, y }) => `${x} ${y}`)).size, count);
    for (const { x, y } of boxes) assert.ok(x >= 0 && y >= 0 && x + BOX.width <= width && y + BOX.height <= height);
    for (const { from, to } of edges) assert.ok(at.get(from)!.x < at.get(to)!.x, `${from} stands left of ${to}`);
    for (const a of boxes) for (const b of boxes) if (a !== b && a.x === b.x) assert.ok(Math.abs(a.y - b.y) >= BOX.height);
  }
});
