"""The command line: what is asked, what is run, what is printed."""
