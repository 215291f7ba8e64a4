"""A run in its folder: settings, what they name built, the search in it, its validations."""
