"""What in the cluster is no longer as the last rollout left it."""
