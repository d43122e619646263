"""Fitting: every network by one loop, and what scikit-learn fits."""
