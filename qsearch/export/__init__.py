"""Tables for other encoders, and back from their files."""
