"""What kind of value an expression has, and what such values can do."""
