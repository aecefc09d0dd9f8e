"""Updates of rows of other tables."""
