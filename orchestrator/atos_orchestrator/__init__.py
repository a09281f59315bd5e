"""Goals: planned as a DAG, executed durably, debugged in a sandbox, kept in git."""
