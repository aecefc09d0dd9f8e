"""What the names and expressions of a file stand for, without running any: from scopes to querysets."""
