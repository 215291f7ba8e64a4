"""What is best of what was measured: pure functions over rates and accuracies."""
