"""Fitting: networks, kernel ridge, MLPs and scikit-learn."""
