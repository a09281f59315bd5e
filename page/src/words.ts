/** Words and marks for states, sizes and durations. Pure. */

export const MARK: Record<string, string> = {
  pending: "·", paused: "‖", queued: "·", planning: "▸", running: "▸", verifying: "▸", waiting: "?", done: "✓", success: "✓", resident: "✓", loading: "▸", evicting: "–",
  failed: "✗", skipped: "–", cancelled: "–", needs_help: "!", limit_reached: "!",
};

export const said = (state: string) => state.replace("_", " ");

export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB"];
  let value = bytes;
  for (const unit of units) {
    if (value < 1024) return `${Math.round(value)} ${unit}`;
    value /= 1024;
  }
  return `${value.toFixed(1)} GiB`;
}

export const clock = (at: number) => new Date(at * 1000).toLocaleTimeString([], { hour12: false });

/** What code may rest on, as `proof_text` says it in a terminal. */
export const PROOF: Record<string, string> = {
  examples: "examples", tests: "tests that were handed in", agreed: "agreed, not proven", unproven: "not proven",
};

export function proofText({ proof, evidence }: { proof: string; evidence: string }): string {
  const kind = PROOF[proof] ?? proof;
  if (!evidence) return kind;
  return kind.endsWith("not proven") ? `${kind}: ${evidence}` : evidence;
}

/** A path as a shell takes it. */
export const shellWord = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

export const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? "" : "s"}`;
