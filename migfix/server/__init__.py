"""``migfix server``: findings, rewrites and explanations in editors, by the Language Server Protocol."""
