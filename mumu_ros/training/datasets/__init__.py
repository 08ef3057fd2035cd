"""Readers of public datasets, one module each."""
