// TypeScript SDK 2.x, over stdio.
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { main } from "./follow.mjs";

await main(async (entry) => {
  const client = new Client({ name: "typescript-2", version: "1" });
  await client.connect(new StdioClientTransport({ ...entry, cwd: "/" }));
  return {
    list: () => client.listTools(),
    call: (name, args) => client.callTool({ name, arguments: args }),
    close: () => client.close(),
  };
});
