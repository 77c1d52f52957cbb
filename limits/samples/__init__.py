"""Real data sets that travel with the product, each turned into ordinary import files."""
