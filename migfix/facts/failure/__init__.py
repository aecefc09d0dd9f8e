"""Who catches an error of a loop, and what then stays."""
