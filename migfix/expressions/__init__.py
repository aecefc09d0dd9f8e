"""Python expressions over a row, said in SQL: one small function per kind of node.

``values`` compiles right-hand sides, ``conditions`` compiles tests, ``body`` walks the statements
of a loop. A new kind of node is one function and one line in the table of its module. What is not
in a table is refused: an expression that nobody has compared on all databases is never moved.
"""
