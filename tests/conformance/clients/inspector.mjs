// The Inspector's command line: one process a request, as its users call it.
import { execFileSync } from "node:child_process";
import { main } from "./follow.mjs";

const INSPECTOR = process.env.ATOS_INSPECTOR;

await main(async (entry) => {
  const ask = (...words) => {
    const target = [entry.command, ...entry.args];
    const command = [INSPECTOR, "--cli", ...target, ...words];
    return JSON.parse(execFileSync(process.execPath, command, { cwd: "/", encoding: "utf8", timeout: 90000 }));
  };
  const given = (args) => Object.entries(args).flatMap(([name, value]) => ["--tool-arg", `${name}=${value}`]);
  return {
    list: async () => ask("--method", "tools/list"),
    call: async (name, args) => ask("--method", "tools/call", "--tool-name", name, ...given(args)),
    close: async () => {},
  };
});
