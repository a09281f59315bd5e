import { Component } from "preact";
import { useState } from "preact/hooks";
import { Graph } from "./graph";
import { embedded } from "./place";
import { Act, Section, State, Trouble } from "./parts";
import { call } from "./server";
import type { Seen } from "./store";
import { Time } from "./time";
import { FINAL, RESUMABLE, type Goal, type Happened, type Task } from "./types";
import { clock, count, duration, PROOF, proofText, shellWord } from "./words";

export function GoalPage({ seen, id }: { seen: Seen; id: string }) {
  const goal = seen.goal;
  if (!goal || goal.id !== id) return <p class="quiet">looking for {id} …</p>;
  const asking = goal.tasks.filter((task) => task.question.text);
  return (
    <>
      <header class="title">
        <State of={goal.state} />
        <h1>{goal.goal}</h1>
        <Steer goal={goal} />
      </header>
      {goal.error.code === "approval_needed" ? <Approve goal={goal.id} /> : asking.length === 0 && <Trouble fault={goal.error} />}
      {goal.announcement && <p class="note">{goal.announcement}</p>}
      {goal.waiting && <p class="note">waits for: {goal.waiting}</p>}
      {asking.map((task) => <Answer key={task.id} goal={goal.id} task={task} />)}
      <Facts goal={goal} />
      <Repository goal={goal} />
      {goal.tasks.length > 0 && (
        <Section title="Plan"><Graph goal={goal.id} tasks={goal.tasks} needs={seen.needs} /></Section>
      )}
      {seen.events.length > 0 && <Section title="Where the time went"><Time events={seen.events} /></Section>}
      <Section title="What happened"><Events events={seen.events} goal={goal.id} /></Section>
    </>
  );
}

function Steer({ goal }: { goal: Goal }) {
  const about = { goal_id: goal.id };
  return (
    <div class="buttons">
      {!FINAL.has(goal.state) && goal.state !== "paused" && <Act label="Pause" act={() => call("orchestrate", "pause_goal", about)} />}
      {goal.state === "paused" && <Act label="Go on" act={() => call("orchestrate", "resume_goal", about)} />}
      {!FINAL.has(goal.state) && <Act label="Cancel" confirm="Yes, cancel it" act={() => call("orchestrate", "cancel_goal", about)} />}
      {RESUMABLE.has(goal.state) && goal.error.code !== "approval_needed" && <Act label="Try again" act={() => call("orchestrate", "retry_goal", about)} />}
    </div>
  );
}

interface PlannedTask { id: string; title: string; files?: string[]; contract?: string; examples?: string[]; depends_on?: string[] }
interface Shown { digest: string; plan: { tasks?: PlannedTask[] } }

/** The plan that waits for a yes; the digest says that it is the one that was looked at. */
function Approve({ goal }: { goal: string }) {
  const [shown, setShown] = useState<Shown | null>(null);
  const [refused, setRefused] = useState(false);
  const look = async () => setShown(await call<Shown>("orchestrate", "get_plan", { goal_id: goal }));
  const approve = () => call("orchestrate", "approve_plan", { goal_id: goal, digest: shown!.digest });
  return (
    <section class="asks" aria-label="the plan waits for your approval">
      <h2>The plan waits for your approval</h2>
      {shown && <ol class="plan">{shown.plan.tasks?.map((task) => <Planned key={task.id} task={task} />)}</ol>}
      {refused && <p role="status">Refused: nothing is built, and it waits. Change the plan with <code>atos-client edit {goal}</code>, or leave it.</p>}
      <div class="buttons">
        {shown ? <Act label="Approve" kind="main" act={approve} /> : <Act label="Show the plan" kind="main" act={look} />}
        {shown && !refused && <Act label="Refuse" act={async () => setRefused(true)} />}
      </div>
    </section>
  );
}

function Planned({ task }: { task: PlannedTask }) {
  return (
    <li>
      <strong>{task.id}</strong> {task.title} <span class="quiet">{task.files?.join(", ")}{task.depends_on?.length ? `, after ${task.depends_on.join(", ")}` : ""}</span>
      {task.contract && <p class="quiet">{task.contract}</p>}
      {task.examples?.map((example) => <p key={example}><code>{example}</code></p>)}
    </li>
  );
}

export function Answer({ goal, task }: { goal: string; task: Task }) {
  const [own, setOwn] = useState("");
  const give = (answer: string) => call("orchestrate", "answer_question", { goal_id: goal, task_id: task.id, answer });
  return (
    <section class="asks" aria-label={`${task.id} asks`}>
      <h2>{task.id} asks you</h2>
      <p>{task.question.text}</p>
      <div class="buttons">
        {task.question.options.map((option, at) => <Act key={option} label={option} kind="mono" act={() => give(String(at + 1))} />)}
      </div>
      <form class="line" onSubmit={(event) => event.preventDefault()}>
        <label for={`own-${task.id}`}>or</label>
        <input id={`own-${task.id}`} class="mono" value={own} placeholder="a value, or f(1) -> 2" onInput={(event) => setOwn(event.currentTarget.value)} />
        <Act label="Answer" act={() => give(own)} />
      </form>
    </section>
  );
}

/** What the code of the done tasks rests on, and whether that proves it. */
function proofs(goal: Goal): string {
  const done = goal.tasks.filter((task) => task.state === "done" && task.proof);
  if (done.length === 1) return `${proofText(done[0]!)}`;
  const counts = new Map<string, number>();
  for (const { proof } of done) counts.set(proof, (counts.get(proof) ?? 0) + 1);
  return [...counts].map(([proof, n]) => `${count(n, "task")}: ${PROOF[proof] ?? proof}`).join(", ");
}

/** So many tasks are named beside the code; more are in the plan below it. */
const FEW = 6;

/** Where the code is, and how a person looks at it. */
function Repository({ goal }: { goal: Goal }) {
  const done = goal.tasks.filter((task) => task.state === "done");
  if (!goal.repository || !done.length) return null;
  return (
    <Section title="The code">
      <p>
        Models wrote it: read it before you run it with your rights.
        {!embedded && done.length > FEW && " Here: open a task below."}
        {!embedded && done.length <= FEW && <>{" "}Here, by task:{done.map((task) => <>{" "}<a href={`#/goal/${encodeURIComponent(goal.id)}/${task.id}`}>{task.id}</a></>)}</>}
      </p>
      <pre class="code" tabIndex={0}>{`cd ${shellWord(goal.repository)}\ngit log --stat\n`}</pre>
    </Section>
  );
}

function Facts({ goal }: { goal: Goal }) {
  const tests = goal.tests.passed + goal.tests.failed;
  const facts: [string, string][] = [
    ["id", goal.id],
    ["time", duration(goal.seconds)],
    ["tests", tests ? `${goal.tests.passed} passed, ${goal.tests.failed} failed` : ""],
    ["models", goal.models.join(", ")],
    ["sandbox", goal.isolation],
    ["rests on", proofs(goal)],
    ["queue", goal.state === "queued" && goal.ahead ? `${count(goal.ahead, "goal")} before it` : ""],
  ];
  return (
    <dl class="facts">
      {facts.filter(([, value]) => value).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
      {goal.deployment_url.startsWith("http://127.0.0.1:") && <div><dt>answers at</dt><dd><a href={goal.deployment_url} target="_blank" rel="noopener noreferrer">{goal.deployment_url}</a></dd></div>}
    </dl>
  );
}

const SHOWN = 60;

/** The row of an event, drawn once. A cache of nodes would do, too, and grow: nodes keep their former parents. */
class Row extends Component<{ event: Happened; goal: string }> {
  override shouldComponentUpdate(next: { event: Happened }): boolean {
    return next.event !== this.props.event;
  }

  override render() {
    const { event, goal } = this.props;
    return (
      <li class={`kind-${event.kind}`}>
        <time>{clock(event.at)}</time>
        {event.task ? <a href={`#/goal/${encodeURIComponent(goal)}/${event.task}`}>{event.task}</a> : <span />}
        <span>{event.said}</span>
      </li>
    );
  }
}

export function Events({ events, goal }: { events: Happened[]; goal: string }) {
  const [all, setAll] = useState(false);
  const shown = all ? events : events.slice(-SHOWN);
  return (
    <>
      <ol class="events" aria-label="events, newest first">
        {[...shown].reverse().map((event) => <Row key={event.n} event={event} goal={goal} />)}
      </ol>
      {events.length > SHOWN && <button type="button" onClick={() => setAll(!all)}>{all ? "Show fewer" : `Show ${events.length}`}</button>}
    </>
  );
}
