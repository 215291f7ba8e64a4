"""What is best of what was measured: pure functions over ratios and accuracies."""
