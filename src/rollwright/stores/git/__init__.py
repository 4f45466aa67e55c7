"""States in a branch of a git repository: readable in review, one commit a save, never forced."""
