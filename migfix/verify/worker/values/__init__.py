"""The values that rows get: those that bite by kind of field, and those that the source of a migration names."""
