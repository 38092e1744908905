"""The commands. Each imports what it needs when it runs, so that `webssl --help` stays quick."""
