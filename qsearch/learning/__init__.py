"""Tables that are learned from coefficients and gradients in place of trials; ladders and dials of them."""
