"""Getting models: what is here, what fits, fetching it from any source, and proving that it is right."""
