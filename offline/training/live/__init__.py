"""Training of the live model's parts."""
