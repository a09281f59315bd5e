"""The brief: what a goal's text says by itself, found by rules before any model is asked. Pure."""

from atos_orchestrator.planning.brief.examples import read_example
from atos_orchestrator.planning.brief.findings import Brief, Example, Place, Signature
from atos_orchestrator.planning.brief.reading import read_brief

__all__ = ["Brief", "Example", "Place", "Signature", "read_brief", "read_example"]
