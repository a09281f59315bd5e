"""What depends on the kind of model: one interface, its implementations, and their registry."""
