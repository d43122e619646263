"""Metrics, predictions and protocols."""
