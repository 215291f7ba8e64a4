"""Images to JPEG files with a table of the user's choice."""
