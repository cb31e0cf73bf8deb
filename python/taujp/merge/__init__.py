"""Merging: from checkpoints and coefficients to a model, in memory or from files to files."""
