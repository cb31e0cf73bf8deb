"""Invariance objectives on small test beds: what docs/invariance.md reports."""
