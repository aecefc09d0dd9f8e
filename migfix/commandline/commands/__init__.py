"""The commands: a module for each, with a Typer app of its own."""
