"""`atos-client`: standard library only at start; heavier parts load on demand."""
