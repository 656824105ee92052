"""The laws that tests enforce on the source: imports, idioms that differ between the runtimes, tracked files."""
