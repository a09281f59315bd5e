"""Sends traces of goals while they run, in a process of its own that reads the events table."""
