"""Systems with a network, a file for each way of input."""
