"""What is known of one loop over rows: one question a module, gathered by ``loop.Loop``."""
