"""What a name means: scopes, imports, calls and what they are given."""
