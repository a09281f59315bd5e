"""Plugging ATOS into MCP hosts: their configuration files, our entries in them, and a trial of each."""
