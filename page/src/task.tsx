import { useEffect, useState } from "preact/hooks";
import { Answer, Events } from "./goal";
import { Act, Diff, Section, State, Trouble } from "./parts";
import { embedded } from "./place";
import { call, get, Refused } from "./server";
import type { Seen } from "./store";
import type { Fault, TaskReport } from "./types";
import { proofText } from "./words";

interface Change { what: string; text: string }
type Judged = { candidates: number; rows: number; passed: number[]; isolation: string };

export function TaskPage({ seen, goal, id }: { seen: Seen; goal: string; id: string }) {
  const [report, setReport] = useState<TaskReport | null>(null);
  const [changes, setChanges] = useState<Change[] | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const task = seen.goal?.tasks.find((one) => one.id === id);
  const round = `${task?.state} ${task?.rounds}`;
  useEffect(() => {
    let gone = false;
    const look = async () => {
      const found = await call<TaskReport>("orchestrate", "get_task", { goal_id: goal, task_id: id });
      if (gone) return;
      setReport(found);
      setFault(null);
      if (embedded) return; // an MCP host passes tool calls on, and diffs are none
      const code = await get<{ changes: Change[] }>("changes", { goal, task: id });
      if (!gone) setChanges(code.changes);
    };
    look().catch((error) => !gone && error instanceof Refused && setFault(error.fault));
    return () => void (gone = true);
  }, [goal, id, round]);
  const back = <p><a href={`#/goal/${encodeURIComponent(goal)}`}>← the goal</a></p>;
  if (!task) return <>{back}<Trouble fault={fault} />{!fault && <p class="quiet">looking for {id} …</p>}</>;
  return (
    <>
      {back}
      <header class="title"><State of={task.state} /><h1>{task.id} {task.title}</h1></header>
      <Trouble fault={fault} />
      {task.question.text && <Answer goal={goal} task={task} />}
      <dl class="facts">
        <div><dt>pool</dt><dd>{task.complexity}</dd></div>
        <div><dt>candidates</dt><dd>{task.rounds + 1}</dd></div>
        {task.proof && <div><dt>rests on</dt><dd>{proofText(task)}</dd></div>}
        {task.waiting && <div><dt>waits for</dt><dd>{task.waiting}</dd></div>}
        {task.why && <div><dt>not done</dt><dd class="lines">{task.why}</dd></div>}
      </dl>
      <Matrix report={report} />
      {report?.digest && <Section title="Last failure"><pre class="code" tabIndex={0}>{report.digest}</pre></Section>}
      <Section title="Code">
        {changes?.map((change) => <details key={change.what} open><summary>{change.what}</summary><Diff text={change.text} /></details>)}
        {changes?.length === 0 && <p class="quiet">Nothing is committed yet.</p>}
        {embedded && <p class="quiet">The page in a browser shows the diffs: <code>atos-client open {goal}</code></p>}
        {changes === null && !fault && !embedded && <p class="quiet">looking …</p>}
      </Section>
      {task.state !== "done" && <Fix goal={goal} task={id} />}
      <Section title="What happened"><Events goal={goal} events={seen.events.filter((event) => event.task === id)} /></Section>
    </>
  );
}

/** How many assertions each candidate passes, at the last evaluation. */
function Matrix({ report }: { report: TaskReport | null }) {
  const judged = report?.events.filter((event) => event.kind === "evaluated").at(-1)?.data as Judged | undefined;
  const chosen = report?.events.filter((event) => event.kind === "selected").at(-1)?.data as { candidate?: number; dropped?: { assertion: string; why: string }[] } | undefined;
  if (!judged || !Array.isArray(judged.passed)) return null;
  return (
    <Section title="Candidates">
      <table>
        <thead><tr><th scope="col">candidate</th><th scope="col">assertions passed</th><th scope="col" /></tr></thead>
        <tbody>
          {judged.passed.map((passed, at) => (
            <tr key={at}>
              <th scope="row">{at + 1}</th>
              <td><meter min={0} max={judged.rows || 1} value={passed} aria-label={`${passed} of ${judged.rows}`} /> {passed} of {judged.rows}</td>
              <td>{chosen?.candidate === at ? "taken" : ""}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {(chosen?.dropped?.length ?? 0) > 0 && (
        <details><summary>Assertions that were dropped</summary><ul>{chosen!.dropped!.map((each) => <li><code>{each.assertion}</code> {each.why}</li>)}</ul></details>
      )}
    </Section>
  );
}

function Fix({ goal, task }: { goal: string; task: string }) {
  const [name, setName] = useState("");
  const [text, setText] = useState("");
  const hand = () => call("orchestrate", "submit_fix", { goal_id: goal, task_id: task, files: { [name]: text } });
  return (
    <details class="fix">
      <summary>Hand in code for it</summary>
      <label for="fix-name">File</label>
      <input id="fix-name" class="mono" value={name} placeholder="add.py" onInput={(event) => setName(event.currentTarget.value)} />
      <label for="fix-text">Code</label>
      <textarea id="fix-text" class="mono" rows={8} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      <Act label="Hand in" act={hand} />
    </details>
  );
}
