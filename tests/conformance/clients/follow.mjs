// What every client does, whoever made it: lists and calls each server of a host's configuration, then starts a goal
// (or takes over one that another client started) and follows it by `wait_goal` to its end.
//
//   node CLIENT.mjs TASK.json      {mcpServers, calls: {entry: tool}, goal: {entry, text, id}}
//
// Prints one JSON object a line: {called: {entry: tools}}, {started: id}, {state, looks}.
import { readFileSync } from "node:fs";

const say = (found) => process.stdout.write(`${JSON.stringify(found)}\n`);
const FINAL = ["success", "failed", "cancelled", "needs_help", "limit_reached"];
// "g01ab running, 1 of 3 tasks, 2 s. ... Ask again in ~5 s, after_seq=7.": read as a model reads it.
const HEAD = /^(\S+) (\w+)/;
const SEQ = /after_seq=(\d+)/;

/** @param connect (entry) => {list(), call(name, arguments), close()}, for an entry {command, args, env} */
export async function main(connect) {
  const task = JSON.parse(readFileSync(process.argv[2], "utf8"));
  const called = {};
  for (const [name, tool] of Object.entries(task.calls)) {
    const client = await connect(task.mcpServers[name]);
    called[name] = (await client.list()).tools.length;
    const result = await client.call(tool, {});
    if (!result.content?.[0]?.text) throw new Error(`${name}: ${tool} says nothing: ${JSON.stringify(result)}`);
    await client.close();
  }
  say({ called });
  const client = await connect(task.mcpServers[task.goal.entry]);
  const ask = async (tool, args) => (await client.call(tool, args)).content[0].text;
  const id = task.goal.id || HEAD.exec(await ask("start_goal", { goal: task.goal.text }))[1];
  say({ started: id });
  for (let looks = 1, seq = 0; looks < 40; looks += 1) {
    const text = await ask("wait_goal", { goal_id: id, after_seq: seq });
    const state = HEAD.exec(text)?.[2];
    if (FINAL.includes(state)) {
      say({ state, looks });
      await client.close();
      return;
    }
    seq = Number(SEQ.exec(text)[1]);
  }
  throw new Error(`${id} did not end`);
}
