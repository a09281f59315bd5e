"""The daemon that owns the GPU budget, and the contract that everyone else speaks to it."""
