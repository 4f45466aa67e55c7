"""Who is told what about a run, and what is counted of it."""
