"""The codemods of migfix: one file each, found by its place in this folder.

To add one, write ``codemods/<verb_phrase>.py`` with a module docstring (it is the user
documentation), a pure ``decide(loop)`` and a ``codemod = Codemod(__name__, ...)``, and
``tests/codemods/test_<verb_phrase>.py``. Nothing else needs to be touched.
"""
