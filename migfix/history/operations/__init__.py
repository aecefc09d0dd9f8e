"""What each operation does to the state: one small pure function per operation.

They follow ``state_forwards`` of ``django.db.migrations.operations`` and the methods of
``django.db.migrations.state.ProjectState``. An operation that cannot be understood makes what it
touches Unknown.
"""
