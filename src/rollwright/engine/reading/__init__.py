"""What is in the cluster, and what the server says would become of it."""
