/** Speaks to the host: a code becomes a session, tools are called, a feed is followed and resumed. */

import * as inHost from "./embedded";
import { Refused } from "./fault";
import { embedded } from "./place";
import type { Fault } from "./types";

const SECRET = "atos-secret";
const RETRY_MS = [500, 1000, 2000, 4000];

export { Refused };

const away: Fault = {
  code: "unreachable",
  message: "ATOS does not answer. It ends when nobody uses it.",
  next: "Run `atos-client up`; this page goes on by itself.",
};

const secret = () => localStorage.getItem(SECRET) ?? "";

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { "x-atos-page": secret(), "content-type": "application/json" };
  let reply: Response;
  try {
    reply = await fetch(path, { ...init, headers, cache: "no-store", redirect: "error" });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Refused(away);
  }
  if (!reply.ok) {
    const body = (await reply.json().catch(() => ({}))) as { error?: Fault };
    throw new Refused(body.error ?? { code: "internal", message: `the host answered ${reply.status}` });
  }
  return reply;
}

const json = async <T>(reply: Promise<Response>) => (await (await reply).json()) as T;

/** Exchange the code in the address for a session; the address is cleaned before anything is sent. */
export async function open(): Promise<void> {
  if (embedded) return inHost.begin();
  const given = new URLSearchParams(location.hash.slice(1));
  const code = given.get("open");
  if (!code) return;
  const goal = given.get("goal");
  history.replaceState(null, "", goal ? `#/goal/${encodeURIComponent(goal)}` : "#/");
  const body = JSON.stringify({ code });
  const made = await json<{ secret: string }>(ask("/page/session", { method: "POST", body }));
  localStorage.setItem(SECRET, made.secret);
}

export function call<T>(server: string, tool: string, args: Record<string, unknown>): Promise<T> {
  if (embedded) return inHost.call<T>(server, tool, args);
  return json<T>(ask("/page/call", { method: "POST", body: JSON.stringify({ server, tool, arguments: args }) }));
}

export function get<T>(path: string, query: Record<string, string>): Promise<T> {
  if (embedded) return Promise.reject(new Refused({ code: "elsewhere", message: "only the page in a browser shows this", next: "Run `atos-client open`." }));
  return json<T>(ask(`/page/${path}?${new URLSearchParams(query)}`));
}

export interface Listener {
  heard(name: string, data: unknown): void;
  /** The state of the connection: "" while it is there. */
  state(fault: Fault | null): void;
}

/** Follow the feed until the returned function is called; a hidden page lets go, so that ATOS may sleep. */
export function follow(goal: string, listener: Listener): () => void {
  if (embedded) return inHost.follow(goal, listener);
  let after = "0";
  let failures = 0;
  let over = false;
  let current: AbortController | null = null;
  let timer = 0;

  const heard = (message: Message) => {
    if (message.id) after = message.id;
    if (message.name === "ended") throw new Refused(message.data as Fault);
    listener.heard(message.name, message.data);
  };

  const run = async () => {
    if (over || document.hidden || current) return;
    const abort = (current = new AbortController());
    try {
      const query = new URLSearchParams({ goal, after });
      const reply = await ask(`/page/feed?${query}`, { signal: abort.signal });
      listener.state(null);
      failures = 0;
      await messages(reply, heard);
      throw new Refused(away);
    } catch (error) {
      if (abort.signal.aborted) return;
      const fault = error instanceof Refused ? error.fault : away;
      listener.state(fault);
      if (fault.code === "unauthorized") over = true;
      else timer = window.setTimeout(run, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
    } finally {
      if (current === abort) current = null;
    }
  };

  const turned = () => {
    if (document.hidden) {
      current?.abort();
      current = null;
    } else void run();
  };
  document.addEventListener("visibilitychange", turned);
  void run();
  return () => {
    over = true;
    clearTimeout(timer);
    current?.abort();
    document.removeEventListener("visibilitychange", turned);
  };
}

interface Message { name: string; id: string; data: unknown }

/** Read server-sent events from a reply; `EventSource` can't send the header that the host asks for. */
async function messages(reply: Response, heard: (message: Message) => void): Promise<void> {
  const reader = reply.body!.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    held += value;
    for (let end = held.indexOf("\n\n"); end >= 0; end = held.indexOf("\n\n")) {
      const message = parsed(held.slice(0, end));
      held = held.slice(end + 2);
      if (message) heard(message);
    }
  }
}

export function parsed(block: string): Message | null {
  const fields = new Map(block.split("\n").map((line) => {
    const at = line.indexOf(": ");
    return [line.slice(0, at), line.slice(at + 2)] as const;
  }));
  const data = fields.get("data");
  return data === undefined ? null : { name: fields.get("event") ?? "", id: fields.get("id") ?? "", data: JSON.parse(data) };
}
