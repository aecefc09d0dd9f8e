"""What the models were when a migration ran, replayed from migration files with ``ast`` alone."""
