"""Bridges: what lights and screens are told, in their own protocols.

Each is a subscriber of the bus. `shaping` turns two estimates a second into a steady stream of
frames (`options` says how, `ranges` places them in the range of a room, `rules` fires once,
`colour` gives them a colour); `runner` reads the bus and keeps the frame clock; each protocol is a
small class beside them, to which `outlet` hands the frames.
"""
