"""What a loop's body does, with its row and besides."""
