"""Values as Django's expressions: what they are, what each database makes of them, how they are written.

Knows nothing of loops: it is handed values, columns, and names for what it writes.
"""
