"""The handheld application: one composition root, one async flow per thing an officer does."""
