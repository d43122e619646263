"""Training of the live network."""
