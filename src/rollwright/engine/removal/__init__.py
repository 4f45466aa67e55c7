"""Objects and whole rollouts that go, and what goes along."""
