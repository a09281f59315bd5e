"""n8n workflows over MCP."""
