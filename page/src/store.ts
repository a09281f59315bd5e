/** What the page knows: the last of everything that the feed told, bounded, so that an open page does not grow. */

import type { Decision, Goal, GoalRow, Happened, Machine, News } from "./types";

const MOST_EVENTS = 400;
const MOST_DECISIONS = 200;
const MOST_SAMPLES = 300;

export interface Sample { at: number; committed: number; foreign: number; budget: number; total: number }

export interface Seen {
  goals: GoalRow[] | null;
  machine: Machine | null | undefined;
  decisions: Decision[];
  samples: Map<string, Sample[]>;
  goal: Goal | null;
  events: Happened[];
  needs: Map<string, string[]>;
  /** What this connection has no tool for, inside an MCP host: `goals`, `machine`. */
  lacks: string[];
}

export const nothing = (): Seen => ({
  goals: null, machine: undefined, decisions: [], samples: new Map(), goal: null, events: [], needs: new Map(), lacks: [],
});

export function heard(seen: Seen, name: string, data: unknown, now: number): Seen {
  switch (name) {
    case "goals":
      return { ...seen, goals: data as GoalRow[] };
    case "machine":
      return withMachine(seen, data as Machine | null, now);
    case "decisions": {
      const fresh = data as Decision[];
      const kept = fresh[0] && fresh[0].seq <= (seen.decisions.at(-1)?.seq ?? -1) ? [] : seen.decisions;
      return { ...seen, decisions: [...kept, ...fresh].slice(-MOST_DECISIONS) };
    }
    case "news":
      return withNews(seen, data as News);
    case "lacks":
      return { ...seen, lacks: [...new Set([...seen.lacks, data as string])] };
    default:
      return seen;
  }
}

function withMachine(seen: Seen, machine: Machine | null, at: number): Seen {
  const samples = new Map(seen.samples);
  for (const { name, committed, foreign, budget, total } of machine?.devices ?? []) {
    samples.set(name, [...(samples.get(name) ?? []), { at, committed, foreign, budget, total }].slice(-MOST_SAMPLES));
  }
  return { ...seen, machine, samples };
}

function withNews(seen: Seen, news: News): Seen {
  const last = seen.events.at(-1)?.n ?? 0;
  const fresh = news.events.filter((event) => event.n > last);
  let needs = seen.needs;
  for (const event of fresh) if (event.kind === "plan_ready") needs = dependencies(event);
  return { ...seen, goal: news.goal, needs, events: [...seen.events, ...fresh].slice(-MOST_EVENTS) };
}

function dependencies(event: Happened): Map<string, string[]> {
  const tasks = (event.data["tasks"] ?? []) as { id: string; depends_on?: string[] }[];
  return new Map(tasks.map((task) => [task.id, task.depends_on ?? []]));
}
