"""The live model and its parts."""
