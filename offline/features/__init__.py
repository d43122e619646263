"""Features of recordings, cached; augmentation, corruption and synthetic sounds."""
