"""A goal becomes a repaired and graded DAG of tasks."""
