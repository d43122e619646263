"""Where estimates go besides the bus: lines of JSON and tables."""
