/** The page inside an MCP host: tools are called through the host, and what a feed would tell is looked at. */

import { connect, request, type HostContext } from "./bridge";
import { Refused } from "./fault";
import { go } from "./place";
import type { Listener } from "./server";
import { FINAL, type Device, type Fault, type Goal, type Happened, type Lease, type Machine, type Residency } from "./types";
import { goalRow } from "./rows";

const LOOK_MS = 3000;
const FAILED_MS = 6000;
const WAIT_SECONDS = 20;
const MOST_GOALS = 20;

interface ToolResult { isError?: boolean; content?: { text?: string }[]; structuredContent?: unknown; _meta?: Record<string, unknown> }

/** Begin: the host's theme is taken, and the tool's result says where to look first. */
export async function begin(): Promise<void> {
  const context = await connect((method, params) => {
    if (method === "ui/notifications/tool-result") show((params as ToolResult).structuredContent);
    if (method === "ui/notifications/host-context-changed") dress(params as HostContext);
  });
  dress(context);
  if (context.toolInfo?.tool?.name === "vram_status") go("#/machine");
}

function dress({ theme }: HostContext): void {
  if (theme) document.documentElement.style.colorScheme = theme;
}

function show(result: unknown): void {
  const found = (result ?? {}) as Partial<Goal> & { devices?: unknown };
  if (found.devices) go("#/machine");
  else if (typeof found.id === "string") go(`#/goal/${encodeURIComponent(found.id)}`);
}

/** Call a tool of the connection that this page belongs to; the host may ask the person first. */
export async function call<T>(_server: string, tool: string, args: Record<string, unknown>): Promise<T> {
  let result: ToolResult;
  try {
    result = await request("tools/call", { name: tool, arguments: args });
  } catch (error) {
    throw new Refused({ code: "refused", message: `the host did not call ${tool}: ${(error as Error).message}`, next: "Use the page: `atos-client open`." });
  }
  if (!result.isError) return result.structuredContent as T;
  const known = result._meta?.["atos/error"] as Fault | undefined;
  const text = result.content?.map((part) => part.text ?? "").join(" ") ?? "";
  throw new Refused(known ?? { code: "refused", message: text || `${tool} failed`, next: "Use the page: `atos-client open`." });
}

type Told = Omit<Happened, "n" | "said"> & { seq: number; said?: string };

/** An event as the page wants it; in a full page of old ones there may be no room for sentences. */
const shown = (event: Told): Happened => ({ ...event, n: event.seq, said: event.said ?? event.kind.replaceAll("_", " ") });

/** Look until the returned function is called. What this connection has no tool for is told once, as `lacks`. */
export function follow(goal: string, listener: Listener): () => void {
  let over = false;
  let after = 0;
  let wait = 0;

  const news = async () => {
    const asked = { goal_id: goal, after_seq: after, detail: "events", timeout_s: wait };
    const found = await call<{ goal: Goal; seq: number; events: Told[] }>("orchestrate", "wait_goal", asked);
    after = found.seq;
    wait = WAIT_SECONDS;
    listener.heard("news", { goal: found.goal, events: found.events.map(shown) });
    return FINAL.has(found.goal.state) && !found.events.length ? LOOK_MS : 0;
  };
  const goals = async () => {
    const found = await call<{ goals: Goal[] }>("orchestrate", "list_goals", { limit: MOST_GOALS });
    listener.heard("goals", found.goals.map(goalRow));
    return LOOK_MS;
  };
  const machine = async () => {
    const found = await call<{ devices: Device[]; residents: Residency[]; leases: Lease[]; engines: Machine["engines"] }>("vram", "vram_status", {});
    listener.heard("machine", { ...found, residencies: found.residents, notice: "", paused: false });
    return LOOK_MS;
  };

  const again = async (what: string, look: () => Promise<number>) => {
    let seen = false;
    while (!over) {
      let pause = LOOK_MS;
      if (!document.hidden) {
        try {
          pause = await look();
          seen = true;
          if (!over) listener.state(null);
        } catch (error) {
          const fault = error instanceof Refused ? error.fault : { code: "internal", message: String(error) };
          if (over) return;
          if (what === "news") listener.heard("trouble", fault);
          else if (!seen) return listener.heard("lacks", what);
          else listener.state(fault);
          pause = FAILED_MS;
        }
      }
      if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
    }
  };
  if (goal) void again("news", news);
  else void again("goals", goals);
  void again("machine", machine);
  return () => void (over = true);
}
