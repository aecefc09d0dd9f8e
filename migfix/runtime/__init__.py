"""The helper's source, one module for each thing that it does.

Projects get one file of them, put together and cut down by `migfix.reading.cutting`: the documentation of
`head`, and of each module the definitions that are needed, in the order of `PARTS` in `migfix.reading.vendored`.
"""
