"""Starts the worker in any Python: ``python boot.py run JOB.json``, ``serve PROJECT.json SOCKET``, ``load QUESTION.json``, or ``create`` or
``drop``, which read the entry of a database from standard input, as it may hold a password.

That Python needs Django, and not migfix: of this package it finds what is in this folder alone.
"""

import json
import sys
import types
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.path[:] = [folder for folder in sys.path if Path(folder or ".").resolve() != here]
    package = types.ModuleType("migfix")
    package.__path__ = [str(here.parent)]
    sys.modules["migfix"] = package
    command = sys.argv[1]
    if command == "serve":
        from migfix.verify.worker.serving import serve

        serve(sys.argv[2], int(sys.argv[3]))
    elif command == "run":
        from migfix.verify.worker.main import main

        main(sys.argv[2])
    elif command == "load":
        from migfix.verify.worker.loading import load

        load(sys.argv[2])
    else:
        from migfix.verify.worker import servers

        getattr(servers, command)(json.loads(sys.stdin.readline()))
