"""atos-mini, the demonstration model: its catalogue, scope check, dialect and strategy."""
