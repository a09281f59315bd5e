/** Where a goal's time went: one line for each task, with what it did when. Made from the events that the page keeps. Pure. */

import type { Happened } from "./types";

export type Kind = "model" | "load" | "sandbox" | "wait";
export interface Bar { kind: Kind; start: number; end: number; about: string }
export interface Lane { task: string; bars: Bar[] }
export interface Waterfall { start: number; end: number; lanes: Lane[]; totals: [Kind, number][] }

export const KINDS: Kind[] = ["model", "load", "sandbox", "wait"];
/** Tasks that are drawn; further ones are counted. */
export const MOST_LANES = 40;
const LEAST_WAIT = 0.05;

const number = (event: Happened, name: string): number => {
  const value = event.data[name];
  return typeof value === "number" && value > 0 && value < 1e12 ? value : 0;
};

function barsOf(event: Happened, next: Happened | undefined): Bar[] {
  const start = number(event, "started_at"), end = number(event, "ended_at") || event.at;
  switch (event.kind) {
    case "model_call": {
      const model = String(event.data["model"] ?? ""), loading = Math.min(number(event, "queued"), number(event, "loading"));
      const waited = number(event, "queued") - loading, begin = start || end;
      const bars: Bar[] = [{ kind: "model", start: begin, end, about: model }];
      if (loading) bars.push({ kind: "load", start: begin - loading, end: begin, about: `load of ${model}` });
      if (waited > LEAST_WAIT) bars.push({ kind: "wait", start: begin - loading - waited, end: begin - loading, about: `wait for ${model}` });
      return bars;
    }
    case "tests_run":
    case "evaluated":
      return start ? [{ kind: "sandbox", start, end, about: event.kind === "evaluated" ? "assertions" : "tests" }] : [];
    case "waiting":
      return [{ kind: "wait", start: number(event, "since") || event.at, end: next?.at ?? event.at, about: String(event.data["for"] ?? "") }];
    default:
      return [];
  }
}

/** Null where nothing took time yet. */
export function waterfall(events: Happened[]): Waterfall | null {
  const lanes = new Map<string, Bar[]>();
  const later = new Map<string, Happened>();
  for (const event of [...events].reverse()) {
    const bars = barsOf(event, later.get(event.task));
    if (bars.length) lanes.set(event.task, [...bars, ...(lanes.get(event.task) ?? [])]);
    later.set(event.task, event);
  }
  const all = [...lanes.values()].flat();
  if (!all.length) return null;
  const start = Math.min(...all.map((bar) => bar.start)), end = Math.max(...all.map((bar) => bar.end));
  const totals = KINDS.map((kind): [Kind, number] => [kind, all.filter((bar) => bar.kind === kind).reduce((sum, bar) => sum + bar.end - bar.start, 0)]);
  const order = (lane: Lane) => Math.min(...lane.bars.map((bar) => bar.start));
  const sorted = [...lanes].map(([task, bars]) => ({ task, bars })).sort((a, b) => order(a) - order(b));
  return { start, end, lanes: sorted, totals: totals.filter(([, seconds]) => seconds > 0) };
}
