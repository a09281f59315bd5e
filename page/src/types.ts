/** What the server sends; the Python side is `atos_protocol.goals` and `atos_servers.page.feed`. */

export interface Fault { code: string; message: string; next?: string }
export interface Question { text: string; call: string; options: string[] }
export interface Task {
  id: string; title: string; complexity: string; state: string; rounds: number; proof: string; evidence: string;
  question: Question; branches: string[]; waiting: string; why: string;
}
export interface Counts { passed: number; failed: number }
export interface Goal {
  id: string; goal: string; state: string; repository: string; deployment_url: string; engine: string;
  models: string[]; tasks: Task[]; tests: Counts; seconds: number; spent: Record<string, number>; summary: string;
  announcement: string; isolation: string; error: Partial<Fault>; waiting: string; ahead: number; priority: string;
}
export interface GoalRow {
  id: string; goal: string; state: string; seconds: number; tasks: number; done: number; asks: number; tests: Counts;
}
export interface Happened {
  n: number; task: string; kind: string; at: number; said: string; data: Record<string, unknown>;
}
export interface News { goal: Goal; events: Happened[] }
export interface Device {
  name: string; kind: string; total: number; budget: number; committed: number; foreign: number;
}
export interface Residency {
  model: string; engine: string; device: string; state: string; bytes: number; measured: boolean; leases: number;
}
export interface Lease {
  id: string; state: string; model: string; pool: string; goal: string; task: string; seconds: number; client: string;
}
export interface Machine {
  devices: Device[]; residencies: Residency[]; leases: Lease[]; notice: string; paused: boolean;
  engines: { name: string; ok: boolean; models: number; reason: string }[];
}
export interface Decision { seq: number; at: number; text: string; chosen: boolean }
export interface TaskReport {
  id: string; title: string; state: string; complexity: string; rounds: number; digest: string;
  events: { seq: number; kind: string; at: number; data: Record<string, unknown> }[];
}

export const FINAL = new Set(["success", "failed", "cancelled", "needs_help", "limit_reached"]);
export const RESUMABLE = new Set(["failed", "needs_help", "limit_reached"]);
