"""Goals over MCP: start, watch, steer, inspect."""
