"""The page of the live model."""
