"""When what happened in the last runs."""
