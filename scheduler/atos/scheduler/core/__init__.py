"""The pure scheduler core: events in, effects out."""
