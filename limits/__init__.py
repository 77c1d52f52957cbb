"""Nightly review of credit limits. limits.errors names everything that can go wrong."""

__version__ = "0.1.0"
