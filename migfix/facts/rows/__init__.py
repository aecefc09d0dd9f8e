"""Where the rows of a loop come from, and whether they may be streamed."""
