"""The live network: what it is given, what it learns, what is published of it."""
