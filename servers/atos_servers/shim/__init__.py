"""The stdio shim, `atos-mcp`: standard library only, because an MCP host waits for its start."""
