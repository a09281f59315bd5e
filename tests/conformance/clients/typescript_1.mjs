// TypeScript SDK 1.x, over stdio.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { main } from "./follow.mjs";

await main(async (entry) => {
  const client = new Client({ name: "typescript-1", version: "1" });
  await client.connect(new StdioClientTransport({ ...entry, cwd: "/" }));
  return {
    list: () => client.listTools(),
    call: (name, args) => client.callTool({ name, arguments: args }),
    close: () => client.close(),
  };
});
