"""The one door to the disk: what is read, what git ignores, what is written."""
