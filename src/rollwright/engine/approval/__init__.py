"""Plans that somebody has to agree to, and plans that are kept as they are."""
