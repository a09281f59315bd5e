"""Devices whose memory the scheduler accounts for."""
