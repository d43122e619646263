"""Sound devices through PortAudio."""
