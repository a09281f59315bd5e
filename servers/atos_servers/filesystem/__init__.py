"""Files over MCP, confined to the directories that the client named."""
