"""From decisions to new bytes. Imports LibCST and black, so nothing imports it before a file changes."""
