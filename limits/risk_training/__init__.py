"""Making a scorecard and judging it, away from the nights that score by it."""
