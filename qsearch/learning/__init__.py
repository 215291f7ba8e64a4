"""Tables that are learned: from how sizes, pixels and networks' answers change with each entry."""
