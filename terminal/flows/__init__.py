"""One flow for each thing an officer does."""
