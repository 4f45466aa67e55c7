"""Who owns which field of an object: what is ours, what is taken, left or handed over."""
