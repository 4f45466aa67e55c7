"""What is kept of former runs, how to go back to one, and what holds a rollout there."""
