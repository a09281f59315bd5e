import { KINDS, MOST_LANES, waterfall, type Lane } from "./bars";
import type { Happened } from "./types";
import { count, duration } from "./words";

const ROW = 18, LEFT = 44, WIDTH = 900;

/** Where the time went, as far as the page's events reach. */
export function Time({ events }: { events: Happened[] }) {
  const found = waterfall(events);
  if (!found) return <p class="quiet">nothing yet</p>;
  const lanes = found.lanes.slice(0, MOST_LANES), whole = Math.max(found.end - found.start, 0.001);
  const scale = (WIDTH - LEFT - 4) / whole;
  return (
    <>
      <p class="quiet">
        {found.totals.map(([kind, seconds]) => <span key={kind}><span class={`key bar-${kind}`} />{kind} {duration(seconds)}</span>)}
        {found.lanes.length > MOST_LANES && ` and ${count(found.lanes.length - MOST_LANES, "task")} more`}
      </p>
      <svg class="time" viewBox={`0 0 ${WIDTH} ${ROW * lanes.length + 16}`} role="img" aria-label="where the time went, by task">
        {lanes.map((lane, at) => <Row key={lane.task} lane={lane} top={at * ROW} place={(moment) => LEFT + (moment - found.start) * scale} />)}
        <text x={LEFT} y={ROW * lanes.length + 12}>0</text>
        <text x={WIDTH - 4} y={ROW * lanes.length + 12} text-anchor="end">{duration(whole)}</text>
      </svg>
    </>
  );
}

function Row({ lane, top, place }: { lane: Lane; top: number; place: (moment: number) => number }) {
  const ordered = [...lane.bars].sort((a, b) => KINDS.indexOf(b.kind) - KINDS.indexOf(a.kind));
  return (
    <g>
      <text x="0" y={top + 13}>{lane.task || "goal"}</text>
      {ordered.map((bar) => (
        <rect key={`${bar.kind} ${bar.start}`} class={`bar-${bar.kind}`} x={place(bar.start)} y={top + 3} height="12" width={Math.max(1.5, place(bar.end) - place(bar.start))}>
          <title>{`${bar.about}: ${(bar.end - bar.start).toFixed(1)} s`}</title>
        </rect>
      ))}
    </g>
  );
}
