"""atos-mini: the demonstration model's catalogue, scope check, dialect, corpus and trainer."""
