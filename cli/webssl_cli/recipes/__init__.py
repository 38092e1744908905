"""What `webssl recipe` does: a recipe, a manifest laid over it, single fields laid over both."""
