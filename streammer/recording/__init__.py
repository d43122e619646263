"""Recordings of the bus: written as they come, read again, played back, drawn and exported."""
