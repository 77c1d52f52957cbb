"""Two policies compared."""
