import { useState } from "preact/hooks";
import { Act, Section, State } from "./parts";
import { embedded } from "./place";
import { call, get } from "./server";
import type { Sample, Seen } from "./store";
import type { Decision, Device } from "./types";
import { clock, duration, size } from "./words";

export function MachinePage({ seen }: { seen: Seen }) {
  const machine = seen.machine;
  return (
    <>
      <h1>Machine</h1>
      {machine === undefined && <p class="quiet">looking …</p>}
      {machine === null && <p class="note">The scheduler sleeps: nothing is loaded. The next request wakes it.</p>}
      {machine?.notice && <p class="note">{machine.notice}</p>}
      {machine?.paused && <p class="note">Paused: no model is loaded until <code>atos-client scheduler resume</code>.</p>}
      {machine?.devices.map((device) => (
        <Memory key={device.name} device={device} samples={seen.samples.get(device.name) ?? []} decisions={seen.decisions} />
      ))}
      {machine && (
        <Section title="Models in memory">
          {machine.residencies.length === 0 && <p class="quiet">None.</p>}
          <ul class="rows">
            {machine.residencies.map((one) => (
              <li key={one.model} class="row">
                <State of={one.state} />
                <span class="what mono">{one.model}</span>
                <span class="quiet">{size(one.bytes)}{one.measured ? "" : " (estimated)"} on {one.device}, {one.leases} in progress</span>
                <Act label="Unload" act={() => call("vram", "unload_model", { model: one.model })} />
              </li>
            ))}
          </ul>
        </Section>
      )}
      {machine && (
        <Section title="Requests">
          {machine.leases.length === 0 && <p class="quiet">None.</p>}
          <ul class="rows">
            {machine.leases.map((one) => (
              <li key={`${one.id} ${one.goal} ${one.task} ${one.model}`} class="row">
                <State of={one.state === "held" ? "running" : "waiting"} />
                <span class="what mono">{one.model || one.pool}</span>
                <span class="quiet">{one.goal ? `${one.goal} ${one.task}` : one.client}, {duration(one.seconds)}</span>
              </li>
            ))}
          </ul>
        </Section>
      )}
      {!embedded && <Section title="Decisions"><Decisions decisions={seen.decisions} /></Section>}
    </>
  );
}

const W = 640;
const H = 90;

/** The last look holds to the right edge, so that the first one is seen, too. */
function lastingTo(samples: Sample[]): Sample[] {
  const [first, newest] = [samples[0], samples.at(-1)];
  return first && newest && newest.at < first.at + 30 ? [...samples, { ...newest, at: first.at + 30 }] : samples;
}

/** Committed and foreign memory over the time that the page was open, with swaps marked. */
function Memory({ device, samples: seen, decisions }: { device: Device; samples: Sample[]; decisions: Decision[] }) {
  const samples = lastingTo(seen);
  const [first, last] = [samples[0]?.at ?? 0, Math.max(samples.at(-1)?.at ?? 1, (samples[0]?.at ?? 0) + 30)];
  const most = Math.max(device.total, 1);
  const x = (at: number) => ((at - first) / (last - first)) * W;
  const area = (top: (s: Sample) => number, bottom: (s: Sample) => number) => {
    const up = samples.map((s) => `${x(s.at).toFixed(1)},${(H - (top(s) / most) * H).toFixed(1)}`);
    const down = [...samples].reverse().map((s) => `${x(s.at).toFixed(1)},${(H - (bottom(s) / most) * H).toFixed(1)}`);
    return [...up, ...down].join(" ");
  };
  const swaps = decisions.filter((one) => one.at >= first && /\b(Load|Evict|Unload) /.test(one.text));
  return (
    <Section title={`${device.kind === "cpu" ? "Memory" : "Device"}: ${device.name}`}>
      <p>{size(device.committed)} of {size(device.budget)} committed; {size(device.foreign)} used by others; {size(device.total)} in all</p>
      <svg class="memory" viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" role="img" aria-label={`memory since ${clock(first)}: now ${size(device.committed)} of ${size(device.budget)} committed, ${size(device.foreign)} foreign`}>
        <polygon class="foreign" points={area((s) => s.foreign, () => 0)} />
        <polygon class="committed" points={area((s) => s.foreign + s.committed, (s) => s.foreign)} />
        <line class="budget" x1="0" x2={W} y1={H - (device.budget / most) * H} y2={H - (device.budget / most) * H} />
        {swaps.map((one) => <line class="swap" x1={x(one.at)} x2={x(one.at)} y1="0" y2={H}><title>{one.text}</title></line>)}
      </svg>
      <p class="legend quiet"><span class="key foreign" /> others <span class="key committed" /> models <span class="key budget" /> budget <span class="key swap" /> swap; since {first ? clock(first) : "now"}</p>
    </Section>
  );
}

function Decisions({ decisions }: { decisions: Decision[] }) {
  const [explained, setExplained] = useState<{ seq: number; text: string } | null>(null);
  const explain = async (seq: number) => {
    const found = await get<{ explanation: string }>("decision", { seq: String(seq) });
    setExplained({ seq, text: found.explanation });
  };
  if (!decisions.length) return <p class="quiet">None yet.</p>;
  return (
    <ol class="events" aria-label="decisions, newest first">
      {[...decisions].reverse().slice(0, 80).map((one) => (
        <li key={one.seq}>
          <time>{clock(one.at)}</time><span>{one.seq}</span>
          <span>
            {one.text} {one.chosen && <Act label="Why?" kind="small" act={() => explain(one.seq)} />}
            {explained?.seq === one.seq && <pre class="code">{explained.text}</pre>}
          </span>
        </li>
      ))}
    </ol>
  );
}
