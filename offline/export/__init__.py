"""From a trained run to an artefact and its card."""
