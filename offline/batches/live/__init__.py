"""Data and batches of the live model."""
