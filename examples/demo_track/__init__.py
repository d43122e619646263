"""The bundled demo track: synthesis, effects and score, in numpy alone."""
