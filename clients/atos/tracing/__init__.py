"""Traces of goals: spans derived from events, and where they may be sent; nothing here is imported before that."""
