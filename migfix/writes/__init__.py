"""Which saves and new rows of a loop could wait for one another, and what might see that they do."""
