"""Steps that a user declared, hooks, and what persons answer meanwhile."""
