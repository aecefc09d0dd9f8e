"""What the models were when a migration ran, replayed from migration files with ``ast`` alone."""

from migfix.history.graph import History

__all__ = ["History"]
