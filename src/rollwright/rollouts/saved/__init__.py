"""A plan as a file: everything that decides, one digest, and what has moved since."""
