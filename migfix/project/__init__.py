"""What a project is: its migrations, settings, databases and receivers."""
