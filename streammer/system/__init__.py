"""The process around the engine: signals and standard error."""
