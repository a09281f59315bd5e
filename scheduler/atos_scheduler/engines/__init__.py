"""Inference engines behind one protocol; the scheduler branches on capabilities only."""
