import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Refused } from "./server";
import type { Fault } from "./types";
import { MARK, said } from "./words";

/** A state as a coloured mark with its word, so that colour is never the only sign. */
export function State({ of }: { of: string }) {
  return <span class={`state is-${of}`}><span aria-hidden="true">{MARK[of] ?? "?"}</span> {said(of)}</span>;
}

export function Trouble({ fault }: { fault: Partial<Fault> | null }) {
  if (!fault?.message) return null;
  return (
    <div class="trouble" role="alert">
      <p>{fault.message}</p>
      {fault.next && <p class="next"><span class="tag">next</span> {fault.next}</p>}
    </div>
  );
}

/** A button that does something on the host: it says while it does, and what went wrong. */
export function Act({ label, act, kind = "", confirm = "" }: {
  label: string; act: () => Promise<unknown>; kind?: string; confirm?: string;
}) {
  const [busy, setBusy] = useState(false);
  const [sure, setSure] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const run = async () => {
    if (confirm && !sure) return setSure(true);
    setBusy(true);
    setFault(null);
    try {
      await act();
    } catch (error) {
      setFault(error instanceof Refused ? error.fault : { code: "", message: String(error) });
    }
    setBusy(false);
    setSure(false);
  };
  return (
    <span class="act">
      <button type="button" class={kind} disabled={busy} onClick={run}>{busy ? `${label} …` : sure ? confirm : label}</button>
      {sure && !busy && <button type="button" onClick={() => setSure(false)}>No</button>}
      <Trouble fault={fault} />
    </span>
  );
}

export function Section({ title, children, id }: { title: string; children: ComponentChildren; id?: string }) {
  return <section aria-label={title} id={id}><h2>{title}</h2>{children}</section>;
}

/** A diff, coloured line by line; every line is a text node. */
export function Diff({ text }: { text: string }) {
  const kind = (line: string) => line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : line.startsWith("@@") ? "hunk" : "";
  return <pre class="code" tabIndex={0}>{text.split("\n").map((line) => <span class={kind(line)}>{`${line}\n`}</span>)}</pre>;
}
