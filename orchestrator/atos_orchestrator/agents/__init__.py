"""The model request, prompts, and how replies are read."""
