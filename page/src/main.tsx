import { render } from "preact";
import { useEffect, useReducer, useState } from "preact/hooks";
import { GoalPage } from "./goal";
import { Goals } from "./goals";
import { MachinePage } from "./machine";
import { Trouble } from "./parts";
import { onMove, where } from "./place";
import { follow, open, Refused } from "./server";
import { heard, nothing, type Seen } from "./store";
import { TaskPage } from "./task";
import type { Fault } from "./types";

type Heard = { name: string; data: unknown } | "another goal";

function told(seen: Seen, what: Heard): Seen {
  if (what === "another goal") return { ...seen, goal: null, events: [], needs: new Map() };
  return heard(seen, what.name, what.data, Date.now() / 1000);
}

function App({ refused }: { refused: Fault | null }) {
  const [place, setPlace] = useState(where);
  const [seen, tell] = useReducer(told, undefined, nothing);
  const [fault, setFault] = useState<Fault | null>(refused);
  const [trouble, setTrouble] = useState<Fault | null>(null);
  const goal = place[0] === "goal" ? (place[1] ?? "") : "";

  useEffect(() => {
    const moved = () => {
      setPlace(where());
      window.scrollTo(0, 0);
      document.getElementById("main")?.focus();
    };
    const stop = onMove(moved);
    setPlace(where()); // the address may have changed between the first drawing and this listener
    return stop;
  }, []);

  useEffect(() => {
    if (refused) return;
    tell("another goal");
    setTrouble(null);
    return follow(goal, {
      state: setFault,
      heard: (name, data) => (name === "trouble" ? setTrouble(data as Fault) : tell({ name, data })),
    });
  }, [goal]);

  useEffect(() => {
    const asks = seen.goals?.filter((each) => each.asks).length ?? 0;
    document.title = `${asks ? `(${asks}) ` : ""}${goal && seen.goal ? seen.goal.goal.slice(0, 60) : "ATOS"}`;
  }, [seen.goals, seen.goal, goal]);

  const page = (name: string) => (place[0] === name || (name === "" && place[0] === "goal") ? "page" : undefined);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to content</a>
      <nav aria-label="pages">
        <strong>ATOS</strong>
        {!seen.lacks.includes("goals") && <a href="#/" aria-current={page("")}>Goals</a>}
        {!seen.lacks.includes("machine") && <a href="#/machine" aria-current={page("machine")}>Machine</a>}
        <span class={`live ${fault ? "off" : "on"}`} role="status">{fault ? "not connected" : "live"}</span>
      </nav>
      <main id="main" tabIndex={-1}>
        <Trouble fault={fault} />
        <Trouble fault={trouble} />
        {place[0] === "goal" && !trouble ? (
          place[2] ? <TaskPage key={place[2]} seen={seen} goal={goal} id={place[2]} /> : <GoalPage seen={seen} id={goal} />
        ) : place[0] === "machine" ? <MachinePage seen={seen} /> : fault?.code === "unauthorized" || trouble ? null : <Goals goals={seen.goals} />}
      </main>
    </>
  );
}

const root = document.getElementById("app")!;
open()
  .then(() => null, (error: unknown) => (error instanceof Refused ? error.fault : { code: "", message: String(error) }))
  .then((refused) => {
    root.replaceChildren();
    render(<App refused={refused} />, root);
  });
