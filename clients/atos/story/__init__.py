"""The story of a goal, told from its events: sentences, a waterfall of time, and both as one file. Pure."""
