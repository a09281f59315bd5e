"""Trains and evaluates atos-mini; nothing that runs goals imports it, and no wheel contains it."""
