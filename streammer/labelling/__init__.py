"""Many files over the cores."""
