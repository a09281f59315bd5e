"""One task: code, syntax, test, reflect, fix."""
