"""What runs a migration: in a process of its own, by the project's Python. Imports Django, and of migfix nothing else."""
