/** A goal from TypeScript over MCP, by the stdio entry that every MCP host uses; no package is needed.
 *
 * node docs/examples/05_over_mcp.ts        # Node 22.18 or newer reads TypeScript; ATOS_MCP: where atos-mcp is
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

type Reply = { id?: number; result?: any; error?: { message: string } };
type Look = { seq: number; final: boolean };

const server = spawn(process.env.ATOS_MCP ?? "atos-mcp", ["orchestrate"], { stdio: ["pipe", "pipe", "inherit"] });
const waiting = new Map<number, (reply: Reply) => void>();
let newest = 0;

createInterface({ input: server.stdout! }).on("line", (line: string) => {
  const reply: Reply = JSON.parse(line);
  if (reply.id !== undefined) waiting.get(reply.id)?.(reply);
});

function send(message: object): void {
  server.stdin!.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
}

async function request(method: string, params: object): Promise<any> {
  const id = ++newest;
  const answered = new Promise<Reply>((resolve) => waiting.set(id, resolve));
  send({ id, method, params });
  const reply = await answered;
  if (reply.error) throw new Error(reply.error.message);
  return reply.result;
}

/** Call a tool; return what it says for people and models, and the same for programs. */
async function call(name: string, args: object): Promise<{ text: string; data: any }> {
  const result = await request("tools/call", { name, arguments: args });
  const text: string = result.content[0].text;
  if (result.isError) throw new Error(text);
  return { text, data: result.structuredContent };
}

await request("initialize", {
  protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "example", version: "1" },
});
send({ method: "notifications/initialized" });

const goal = "Write a Python function to add two numbers";
const started = await call("start_goal", { goal, examples: ["add(1, 2) == 3"] });
const id: string = started.data.id;
let look: Look = { seq: 0, final: false };
while (!look.final) look = (await call("wait_goal", { goal_id: id, after_seq: look.seq })).data;
const { data: ended } = await call("get_goal", { goal_id: id });
console.log(`${ended.state}: ${ended.tests.passed} tests passed, ${ended.tests.failed} failed`);
const { data: told } = await call("wait_goal", { goal_id: id, detail: "story" });
const last = told.story.at(-1);
console.log(`${last.text} (${last.events.length} event)`);
server.stdin!.end();
