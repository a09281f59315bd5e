"""Python and pytest over MCP, in a sandbox."""
