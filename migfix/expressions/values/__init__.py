"""Right-hand sides: what `row.field = value` becomes in `update()`."""
