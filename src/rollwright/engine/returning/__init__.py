"""Former revisions: kept, compared, brought back, held."""
