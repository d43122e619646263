"""Evaluation of the live model."""
