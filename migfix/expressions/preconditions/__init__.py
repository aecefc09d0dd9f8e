"""What must be true of a loop, whatever its body assigns."""
