"""Values as JSON: the contract with programs."""
