"""The server host: one process, five MCP servers, and the goal worker beside them."""
