"""What the text of a migration file says, read with ``ast`` alone."""
