"""The order a user declares: groups, steps, actions, and what they mean for a plan."""
