"""Every strategy with the same budget on the embedded default, over several seeds."""
