"""One git repository per goal; one branch and worktree per task."""
