"""Fine-tuning: a network trained a little further on images encoded at a table, as Li 2020 proposes."""
