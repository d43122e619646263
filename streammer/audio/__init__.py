"""Samples on their way from a source to the front ends: blocks, ring, resampler."""
