"""What one evaluation is: measures, measurements, tasks, and the evaluator that carries them out."""
