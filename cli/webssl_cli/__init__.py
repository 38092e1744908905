"""The webssl command."""
