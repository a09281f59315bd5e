"""A goal becomes a repaired, classified DAG of tasks."""

from atos.orchestrator.planning.graph import plan

__all__ = ["plan"]
