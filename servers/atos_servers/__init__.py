"""Five MCP servers in one host process, and the shim that stdio clients start."""
