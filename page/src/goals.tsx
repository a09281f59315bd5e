import { useState } from "preact/hooks";
import { Act, Section, State, Trouble } from "./parts";
import { go } from "./place";
import { call } from "./server";
import type { Fault, GoalRow } from "./types";
import { count, duration } from "./words";

export function Goals({ goals }: { goals: GoalRow[] | null }) {
  return (
    <>
      <Start />
      <Section title="Goals">
        {goals === null && <p class="quiet">looking …</p>}
        {goals?.length === 0 && <p class="quiet">None yet. Write above what you want built.</p>}
        <ul class="rows">{goals?.map((goal) => <Row key={goal.id} goal={goal} />)}</ul>
      </Section>
    </>
  );
}

function Row({ goal }: { goal: GoalRow }) {
  const tests = goal.tests.passed + goal.tests.failed;
  return (
    <li>
      <a href={`#/goal/${encodeURIComponent(goal.id)}`}>
        <State of={goal.state} />
        <span class="what">{goal.goal}</span>
        <span class="quiet">
          {goal.asks ? "asks you, " : ""}{goal.tasks ? `${goal.done} of ${count(goal.tasks, "task")}, ` : ""}
          {tests ? `${goal.tests.passed} of ${count(tests, "test")} passed, ` : ""}{duration(goal.seconds)}
        </span>
      </a>
    </li>
  );
}

/** A key that no other start has, also where the frame is no secure context. */
const unique = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16)).join("");

interface Check { announcement: string; warning: string; refusal: Partial<Fault>; examples: string[]; models: string[] }

function Start() {
  const [text, setText] = useState("");
  const [examples, setExamples] = useState("");
  const [review, setReview] = useState(false);
  const [check, setCheck] = useState<Check | null>(null);
  const given = () => ({ goal: text.trim(), examples: examples.split("\n").map((line) => line.trim()).filter(Boolean) });
  const start = async () => {
    const goal = await call<{ id: string }>("orchestrate", "start_goal", { ...given(), review, key: `page ${unique()}` });
    go(`#/goal/${encodeURIComponent(goal.id)}`);
  };
  return (
    <Section title="Start a goal">
      <form onSubmit={(event) => event.preventDefault()}>
        <label for="goal">What to build</label>
        <textarea id="goal" rows={2} value={text} placeholder="Write a Python function to add two numbers" onInput={(event) => setText(event.currentTarget.value)} />
        <label for="examples">Examples, one a line <span class="quiet">(they decide whether code is right, and help a small model most)</span></label>
        <textarea id="examples" rows={2} class="mono" value={examples} placeholder="add(1, 2) -> 3" onInput={(event) => setExamples(event.currentTarget.value)} />
        <label class="choice"><input type="checkbox" checked={review} onInput={(event) => setReview(event.currentTarget.checked)} /> Show me the plan before anything is built</label>
        <div class="buttons">
          <Act label="Start" kind="main" act={start} />
          <Act label="Check first" act={async () => setCheck(await call<Check>("orchestrate", "check_goal", given()))} />
        </div>
      </form>
      {check && (
        <div class="note" role="status">
          <Trouble fault={check.refusal} />
          {check.models.length > 0 && <p>{check.models.join(", ")} would work on it.</p>}
          {check.examples.length > 0 && <p>{count(check.examples.length, "example")} found: <code>{check.examples.join("; ")}</code></p>}
          {check.models.length > 0 && check.examples.length === 0 && <p>No example: what several candidates agree on is taken, which proves less. One or two examples help most.</p>}
          {check.warning && <p>{check.warning}</p>}
          {check.announcement && <p>{check.announcement}</p>}
        </div>
      )}
    </Section>
  );
}
