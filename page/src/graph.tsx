import { Component } from "preact";
import { useMemo } from "preact/hooks";
import { BOX, layout } from "./layout";
import type { Task } from "./types";
import { MARK, said } from "./words";

const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** Each task is a link, in reading order, so that it can be walked by keyboard. */
interface Plan { goal: string; tasks: Task[]; needs: Map<string, string[]> }

const shown = (tasks: Task[]) =>
  tasks.map((t) => `${t.id}${t.state}${t.rounds}${t.waiting ? "w" : ""}${t.question.text ? "q" : ""}`).join();

/** The plan as a graph, drawn anew only when something that it shows has changed. */
export class Graph extends Component<Plan> {
  override shouldComponentUpdate(next: Plan): boolean {
    const now = this.props;
    return next.goal !== now.goal || next.needs !== now.needs || shown(next.tasks) !== shown(now.tasks);
  }

  override render() {
    return <Drawn {...this.props} />;
  }
}

function Drawn({ goal, tasks, needs }: Plan) {
  const ids = tasks.map((task) => task.id).join(" ");
  const placed = useMemo(() => layout(ids ? ids.split(" ") : [], needs), [ids, needs]);
  const at = new Map(placed.boxes.map((box) => [box.id, box]));
  const of = new Map(tasks.map((task) => [task.id, task]));
  const box = (x: number) => x + 4;
  return (
    <div class="graph" tabIndex={-1}>
      <svg width={placed.width + 8} height={placed.height + 8} role="group" aria-label={`plan: ${tasks.length} tasks`}>
        {placed.edges.map(({ from, to }) => {
          const [a, b] = [at.get(from)!, at.get(to)!];
          const [x1, y1, x2, y2] = [box(a.x) + BOX.width, box(a.y) + BOX.height / 2, box(b.x), box(b.y) + BOX.height / 2];
          const bend = Math.max(18, (x2 - x1) / 2);
          return <path key={`${from}-${to}`} class={`edge is-${of.get(from)!.state}`} d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`} />;
        })}
        {placed.boxes.map(({ id, x, y }) => {
          const task = of.get(id)!;
          const state = task.question.text ? "needs_help" : task.waiting ? "waiting" : task.state;
          return (
            <a key={id} href={`#/goal/${encodeURIComponent(goal)}/${id}`} class={`node is-${state}`} aria-label={`${id} ${task.title}: ${task.question.text ? "asks you" : said(state)}`}>
              <rect x={box(x)} y={box(y)} width={BOX.width} height={BOX.height} rx="8" />
              <text x={box(x) + 12} y={box(y) + 21} class="name">{MARK[state] ?? "?"} {id} {cut(task.title, 20 - id.length)}</text>
              <text x={box(x) + 12} y={box(y) + 40} class="sub">{task.question.text ? "asks you" : said(state)}{task.rounds ? `, ${task.rounds + 1} candidates` : `, ${task.complexity}`}</text>
            </a>
          );
        })}
      </svg>
    </div>
  );
}
