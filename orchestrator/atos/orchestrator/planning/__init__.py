"""A goal becomes a repaired, classified DAG of tasks."""
