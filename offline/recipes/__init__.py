"""Recipes, as TOML files, and what reads them."""
