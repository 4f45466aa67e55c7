"""Rendered objects that run at a moment of a rollout, as annotations say."""
