"""The page: goals, tasks and devices in a browser, over the very tools that every other client calls."""
