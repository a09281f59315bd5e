"""The GPU budget over MCP."""
