/** JSON-RPC with the MCP host that shows this page in a frame (MCP Apps, 2026-01-26). */

import { keepLinks } from "./place";

const VERSION = "2026-01-26";
type Json = Record<string, unknown>;
interface Message { id?: number | string; method?: string; params?: Json; result?: Json; error?: { code: number; message: string } }
interface Waiting { resolve(result: Json): void; reject(error: Error): void }

export interface HostContext { theme?: "light" | "dark"; toolInfo?: { tool?: { name?: string } } }

const waiting = new Map<number | string, Waiting>();
let last = 0;
let hear: (method: string, params: Json) => void = () => {};

const post = (message: Json) => window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");

export function request(method: string, params: Json): Promise<Json> {
  const id = ++last;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    post({ id, method, params });
  });
}

function received(event: MessageEvent<unknown>): void {
  if (event.source !== window.parent) return; // only the host may speak
  const message = event.data as Message | null;
  if (typeof message !== "object" || message === null) return;
  if (message.method === undefined) {
    const held = message.id === undefined ? undefined : waiting.get(message.id);
    if (!held) return;
    waiting.delete(message.id!);
    if (message.error) held.reject(new Error(message.error.message));
    else held.resolve(message.result ?? {});
  } else if (message.id !== undefined) {
    post({ id: message.id, result: {} }); // `ping`, `ui/resource-teardown`: nothing is kept here
  } else hear(message.method, message.params ?? {});
}

/** Shake hands; `told` hears every notification of the host, such as the tool's result. */
export async function connect(told: (method: string, params: Json) => void): Promise<HostContext> {
  hear = told;
  addEventListener("message", received);
  keepLinks((url) => void request("ui/open-link", { url }).catch(() => {}));
  const app = { appInfo: { name: "atos", version: "1" }, appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] } };
  const made = await request("ui/initialize", { ...app, protocolVersion: VERSION });
  post({ method: "ui/notifications/initialized", params: {} });
  tellSize();
  return (made["hostContext"] ?? {}) as HostContext;
}

/** Say how high the page is whenever that changes, so that the host makes room for it. */
function tellSize(): void {
  let told = 0;
  new ResizeObserver(() => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    if (height === told) return;
    told = height;
    post({ method: "ui/notifications/size-changed", params: { width: Math.ceil(innerWidth), height } });
  }).observe(document.body);
}
