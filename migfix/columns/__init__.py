"""Which columns of its rows a loop needs, and in which order rows come that load no others."""
