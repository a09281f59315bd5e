"""HTTP in front of the scheduler: Ollama routes and control routes."""
