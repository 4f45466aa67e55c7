"""Objects that left the set: which of them may go, what keeps them, what goes along."""
