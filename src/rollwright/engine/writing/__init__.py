"""Objects on their way to the server: one step after the other, one object after the other."""
