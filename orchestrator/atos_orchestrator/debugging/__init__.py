"""One task: tests, code, syntax check, test run, reflection, repair."""
