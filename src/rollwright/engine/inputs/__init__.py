"""From a source to the objects that are wanted: files, values, renderers, checks, and the cache."""
