"""Artefacts, their checks, and stepping the models in them (docs/design.md, contract 1)."""
