"""Values in words, for terminals, logs and artifacts."""
