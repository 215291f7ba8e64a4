"""Every trial of a run, on disk."""
