"""Rewrites Django data migrations so that they need little memory and time."""

import os

__version__ = "0.1.0"

# Installed, the codemods are a part of this package, where no other distribution's ``codemods`` can take
# their place or delete them; in a checkout they stand beside it, and are found there.
__path__.append(os.path.dirname(__path__[0]))
