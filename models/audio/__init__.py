"""Published networks that were trained on the sound of DEAM."""
