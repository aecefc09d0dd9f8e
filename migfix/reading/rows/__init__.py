"""Where rows come from: models, querysets, relations, statements."""
