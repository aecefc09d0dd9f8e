"""Rows for the tables of a data migration on which its versions would differ, if they do."""
