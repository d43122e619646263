"""The four movements of the demo track, one for each quadrant of the mood plane.

A movement is a function of a random generator that returns stereo samples `[n, 2]`: its bars, one
bar more for the cross-fade (a held chord), and what rings on. Melodies are lists of
(beat, pitch, beats); pitches are MIDI numbers.
"""

import numpy as np

from . import drums
from .effects import band, chorus, duck, overdrive, reverb
from .synth import SR, adsr, bell, piano, plucked, swept_saw


class Stems:
    """Named stereo tracks of one length, into which sounds are placed by time."""

    def __init__(self, seconds):
        self.length = int(seconds * SR)
        self.tracks = {}

    def add(self, name, at_s, sound, gain=1.0, pan=0.0):
        """Add mono or stereo `sound` to track `name` at `at_s`; pan -1 (left) .. 1 (right)."""
        track = self.tracks.setdefault(name, np.zeros((self.length, 2)))
        if sound.ndim == 1:
            angle = (pan + 1.0) * np.pi / 4.0
            sound = sound[:, None] * np.array([np.cos(angle), np.sin(angle)])
        start = max(int(at_s * SR), 0)
        sound = sound[: max(self.length - start, 0)]
        track[start : start + len(sound)] += gain * sound

    def __getitem__(self, name):
        return self.tracks[name]


def calm(rng):
    """Calm and warm (Q4): D major at 80 beats a minute; pads, picked strings, a gentle piano."""
    beat, bars = 0.75, 6
    stems = Stems(bars * 4 * beat + 2.5)
    chords = (
        (38, 57, 62, 66, 69, 76),  # D add 9
        (43, 55, 62, 66, 71, 74),  # G major 7
        (47, 54, 62, 66, 69, 74),  # B minor 7
        (45, 57, 61, 64, 69, 76),  # A
        (43, 55, 59, 66, 69, 74),  # G major 9
        (38, 57, 62, 66, 69, 74),  # D
    )
    melody = (
        [(0, 78, 1.5), (1.5, 76, 0.5), (2, 74, 2)],
        [(0, 71, 1), (1, 74, 1), (2, 78, 2)],
        [(0, 81, 1.5), (1.5, 78, 0.5), (2, 76, 1), (3, 74, 1)],
        [(0, 76, 2), (2, 73, 1), (3, 76, 1)],
        [(0, 74, 1.5), (1.5, 71, 0.5), (2, 69, 2)],
        [(0, 74, 4)],
    )
    for bar, chord in enumerate(chords):
        start = bar * 4 * beat
        for pitch in chord[1:5]:
            shape = adsr(4 * beat, 0.7, 2.0, 0.8, 1.6)
            pad = swept_saw(pitch, shape, rng, dark=650, bright=1400, sweep_s=1.2, vibrato=4.0)
            stems.add("pad", start, pad, 0.12)
        bass = swept_saw(
            chord[0], adsr(4 * beat, 0.05, 1.5, 0.5, 0.6), rng,
            dark=160, bright=300, sweep_s=0.5, voices=1,
        )  # fmt: skip
        stems.add("bass", start, bass, 0.22)
        for step, voice in enumerate((1, 3, 4, 5, 4, 3, 4, 2) if bar < bars - 1 else (1, 3, 4, 5)):
            at = start + step * beat / 2 + rng.normal(0, 0.006)
            gain = (1.7 if step % 4 == 0 else 1.25) * rng.uniform(0.85, 1.0)
            string = plucked(chord[voice], 1.3, rng, softness=0.75, ring_s=2.2)
            stems.add("guitar", at, string, gain, pan=-0.35)
        for at, pitch, beats in melody[bar]:
            note = piano(pitch, beats * beat * 1.1, 0.45)
            stems.add("piano", start + at * beat + rng.normal(0, 0.005), note, 1.25, pan=0.25)
        stems.add("bell", start + 2 * beat, bell(chord[5] + 12, 1.8), 0.09, pan=0.5)
    dry = stems["bass"] + chorus(stems["pad"], rate_hz=0.35)
    return reverb(
        dry + stems["guitar"] + stems["piano"] + stems["bell"], rng, seconds=2.2, mix=0.32
    )


def sad(rng):
    """Slow and dark (Q3): B minor at 64 beats a minute; low strings over a drone, a lone cello."""
    beat, bars = 0.9375, 5
    stems = Stems(bars * 4 * beat + 3.5)
    chords = (
        (35, 47, 54, 59, 62),  # B minor
        (33, 45, 54, 59, 61),  # B minor over A, with the ninth
        (31, 43, 52, 59, 62),  # E minor 7 over G
        (30, 42, 52, 57, 61),  # F sharp minor 7
        (35, 47, 54, 59, 62),  # B minor
    )
    melody = (
        [(0, 66, 2.5), (2.5, 64, 0.5), (3, 62, 1)],
        [(0, 61, 3), (3, 59, 1)],
        [(0, 64, 2), (2, 62, 1), (3, 59, 1)],
        [(0, 61, 2), (2, 57, 2)],
        [(0, 59, 4)],
    )
    for bar, chord in enumerate(chords):
        start = bar * 4 * beat
        for pitch in chord[1:]:
            shape = adsr(4 * beat, 1.1, 3.0, 0.85, 1.8)
            section = swept_saw(
                pitch, shape, rng, dark=520, bright=700, sweep_s=2.0, cents=12, vibrato=7.0
            )
            stems.add("strings", start, section, 0.24)
        drone = swept_saw(
            chord[0], adsr(4 * beat, 0.9, 4.0, 0.9, 1.5), rng,
            dark=130, bright=180, sweep_s=1.0, voices=2, cents=5,
        )  # fmt: skip
        stems.add("drone", start, drone, 0.36)
        for at, pitch, beats in melody[bar]:
            shape = adsr(beats * beat, 0.28, 2.0, 0.85, 0.7)
            cello = swept_saw(
                pitch - 12, shape, rng, dark=800, bright=1100, sweep_s=1.0, voices=2, cents=4,
                vibrato=16.0,
            )  # fmt: skip
            stems.add("cello", start + at * beat, cello, 0.4)
        stems.add("piano", start, piano(chord[1], 4 * beat, 0.25), 1.2, pan=-0.2)
        if bar < bars - 1:
            drop = piano(chord[4] + 12, 2.5 * beat, 0.2)
            stems.add("piano", start + 2.5 * beat, drop, 1.3, pan=0.35)
    strings = chorus(stems["strings"], rate_hz=0.25, depth_ms=4.0)
    dry = stems["drone"] + strings + band(stems["cello"], 90, 1800) + stems["piano"]
    return reverb(dry, rng, seconds=3.4, mix=0.5, damp_hz=2600)


def tense(rng):
    """Fast and hostile (Q2): E Phrygian at 160; driven guitars, hammering drums, a siren lead."""
    step, bars = 0.09375, 10
    stems = Stems(bars * 16 * step + 2.0)
    riff = "E.eeF.eeE.eeB.A."
    climb = "E.E.F.F.G.G.A.B."
    shift = (0, 0, 3, 2, 0, 0, 3, 6, 0, 0)
    offsets = {"E": 0, "F": 1, "G": 3, "A": 5, "B": 6}
    lead = (
        *((bar, at, p) for bar in (2, 6) for at, p in ((0, 79), (6, 80), (8, 79), (12, 76))),
        *((bar, at, p) for bar in (3, 7) for at, p in ((0, 78), (6, 79), (8, 76), (12, 73))),
        (4, 0, 76), (4, 8, 77), (5, 0, 83), (5, 8, 82), (8, 0, 88), (8, 8, 89),
    )  # fmt: skip
    last = bars - 1
    for bar in range(bars):
        start = bar * 16 * step
        for i, mark in enumerate(climb if bar == last - 1 else riff):
            at, root = start + i * step, 40 + shift[bar]
            if bar == last:
                if i == 0:
                    for fifth in (40, 47, 52):
                        shape = adsr(1.4, 0.003, 2.0, 0.7, 0.5)
                        chord = swept_saw(
                            fifth, shape, rng, dark=1500, bright=4000, sweep_s=0.5, voices=2
                        )
                        stems.add("guitar", at, chord, 0.5)
                        stems.add("bass", at, chord, 0.25)
                continue
            if mark.isupper():
                root += offsets[mark]
                for pitch in (root, root + 7, root + 12):
                    shape = adsr(1.8 * step, 0.002, 0.5, 0.7, 0.03)
                    chord = swept_saw(
                        pitch, shape, rng, dark=1800, bright=5000, sweep_s=0.2, voices=2, cents=7
                    )
                    stems.add("guitar", at, chord, 0.5)
            elif mark == "e":
                shape = adsr(0.7 * step, 0.002, 0.05, 0.5, 0.02)
                mute = swept_saw(
                    root, shape, rng, dark=500, bright=1600, sweep_s=0.03, voices=2, cents=7
                )
                stems.add("guitar", at, mute, 0.8)
            if mark != ".":
                shape = adsr(1.2 * step, 0.002, 0.3, 0.8, 0.03)
                low = swept_saw(root - 12, shape, rng, dark=400, bright=1500, sweep_s=0.1, voices=1)
                stems.add("bass", at, low, 0.6)
        _tense_drums(stems, rng, bar, start, step, last)
        for i in range(16 if bar < last else 0):
            shape = adsr(0.6 * step, 0.01, 0.2, 0.7, 0.05)
            for pitch in (76 + shift[bar], 77 + shift[bar], 83 + shift[bar]):
                bow = swept_saw(
                    pitch, shape, rng, dark=3000, bright=6000, sweep_s=0.1, voices=2, cents=14
                )
                stems.add("tremolo", start + i * step, bow, 0.07 + 0.008 * bar)
    for bar, at, pitch in lead:
        shape = adsr(5 * step, 0.01, 0.4, 0.8, 0.12)
        siren = swept_saw(
            pitch, shape, rng, dark=2500, bright=5000, sweep_s=0.3, voices=1, vibrato=35.0
        )
        stems.add("lead", (bar * 16 + at) * step, siren, 0.4)
    guitar = overdrive(stems["guitar"], 5.0)
    bass = np.tanh(2.2 * band(stems["bass"], 40, 1400))
    lead_line = reverb(overdrive(stems["lead"], 4.0), rng, seconds=0.9, mix=0.3)
    mix = 0.7 * guitar + 0.45 * bass + 0.45 * lead_line + 1.2 * stems["tremolo"]
    mix += 1.5 * stems["kit"]
    return reverb(mix, rng, seconds=0.7, mix=0.12, damp_hz=7000)


def _tense_drums(stems, rng, bar, start, step, last):
    """Place one bar of drums of `tense`."""
    if bar in (0, 4, 8, last):
        stems.add("kit", start, drums.crash(rng), 0.5, pan=0.3)
    if bar == last:
        stems.add("kit", start, drums.kick(), 1.0)
        return
    kicks = range(0, 16, 1) if bar in (7, 8) else (0, 2, 3, 6, 8, 10, 11, 14)
    for i in kicks:
        kick = drums.kick(start_hz=190, end_hz=52, length_s=0.2, click=0.5)
        stems.add("kit", start + i * step, kick, 0.85 if i % 2 == 0 else 0.65)
    for i in (4, 12) if bar < 8 else (0, 4, 8, 10, 12, 13, 14, 15):
        stems.add("kit", start + i * step, drums.snare(rng), 0.95)
    for i in range(0, 16, 2):
        stems.add("kit", start + i * step, drums.hat(rng, ring_s=0.05), 0.28, pan=-0.3)
    if bar in (3, 7):
        for i, freq in zip((12, 13, 14, 15), (190, 150, 120, 90), strict=True):
            stems.add("kit", start + i * step, drums.tom(freq), 0.7, pan=0.5 - i % 4 / 3)


def bright(rng):
    """Fast and joyful (Q1): D major at 128; four on the floor, piano and saw chords, a hook."""
    beat, bars = 0.46875, 8
    stems = Stems((bars * 4 + 1) * beat + 2.4)
    chords = (
        (38, 62, 66, 69, 74), (45, 61, 64, 69, 73), (47, 62, 66, 71, 74), (43, 62, 67, 71, 74),
        (38, 62, 66, 69, 74), (45, 61, 64, 69, 73), (43, 62, 67, 71, 74), (45, 64, 69, 73, 76),
    )  # fmt: skip
    hook = (
        [(0, 78, 0.75), (0.75, 81, 0.75), (1.5, 83, 0.5), (2, 81, 1), (3, 78, 0.5), (3.5, 76, 0.5)],
        [(0, 76, 0.75), (0.75, 73, 0.75), (1.5, 76, 0.5), (2, 81, 1.5), (3.5, 76, 0.5)],
        [(0, 78, 0.75), (0.75, 76, 0.75), (1.5, 74, 0.5), (2, 76, 1), (3, 78, 0.5), (3.5, 81, 0.5)],
        [(0, 83, 1.5), (1.5, 81, 0.5), (2, 79, 1), (3, 81, 1)],
        [(0, 86, 0.75), (0.75, 81, 0.75), (1.5, 83, 0.5), (2, 81, 1), (3, 78, 0.5), (3.5, 81, 0.5)],
        [(0, 85, 0.75), (0.75, 81, 0.75), (1.5, 76, 0.5), (2, 81, 1.5), (3.5, 83, 0.5)],
        [(0, 83, 0.75), (0.75, 86, 0.75), (1.5, 83, 0.5), (2, 79, 1), (3, 83, 1)],
        [(0, 81, 0.75), (0.75, 83, 0.75), (1.5, 85, 0.5), (2, 88, 2)],
    )
    beats = [i * beat for i in range(bars * 4 + 1)]
    for bar, chord in enumerate(chords):
        start = bar * 4 * beat
        for i in (0, 3, 6, 8, 11, 14):
            shape = adsr(0.3 * beat, 0.004, 0.3, 0.6, 0.16)
            for pitch in chord[1:]:
                saw = swept_saw(pitch, shape, rng, dark=1800, bright=6500, sweep_s=0.15, cents=14)
                stems.add("chords", start + i * beat / 4, saw, 0.1)
                note = piano(pitch + 12, 0.4 * beat, 0.8)
                stems.add("piano", start + i * beat / 4, note, 0.16, pan=-0.2)
        for i in range(16):
            pitch = (*chord[1:], chord[1] + 12, chord[2] + 12)[(i * 2 + i // 4) % 6] + 12
            shape = adsr(0.12 * beat, 0.002, 0.08, 0.3, 0.12)
            saw = swept_saw(pitch, shape, rng, dark=1200, bright=7000, sweep_s=0.05, voices=2)
            stems.add("arp", start + i * beat / 4, saw, 0.13, pan=0.6 if i % 2 else -0.6)
        for i in range(8):
            pitch = chord[0] + (12 if i % 2 else 0)
            shape = adsr(0.36 * beat, 0.003, 0.3, 0.7, 0.05)
            low = swept_saw(pitch, shape, rng, dark=300, bright=1400, sweep_s=0.09, voices=1)
            stems.add("bass", start + i * beat / 2, low, 0.42)
        for at, pitch, length in hook[bar]:
            shape = adsr(0.85 * length * beat, 0.006, 0.4, 0.65, 0.15)
            lead = swept_saw(
                pitch, shape, rng, dark=2600, bright=6000, sweep_s=0.2, voices=3, vibrato=8.0
            )
            stems.add("lead", start + at * beat, lead, 0.3)
            stems.add("lead", start + at * beat, bell(pitch + 12, 0.5), 0.1)
        _bright_drums(stems, rng, bar, start, beat, bars)
    end = bars * 4 * beat
    for pitch in (38, 50, 62, 66, 69, 74, 78, 81, 86):
        shape = adsr(1.0, 0.005, 1.5, 0.6, 1.3)
        saw = swept_saw(pitch, shape, rng, dark=1500, bright=6500, sweep_s=0.5, cents=14)
        stems.add("lead", end, saw, 0.14)
        stems.add("lead", end, piano(pitch, 1.4, 0.8), 0.14)
    stems.add("kit", end, drums.kick(), 1.0)
    stems.add("kit", end, drums.crash(rng), 0.4)
    chords_bus = duck(chorus(stems["chords"], rate_hz=0.8), beats, depth=0.75, release_s=0.14)
    bass = duck(stems["bass"], beats, depth=0.8, release_s=0.08)
    lead = reverb(chorus(stems["lead"]), rng, seconds=1.5, mix=0.25, damp_hz=8000)
    mix = 1.7 * chords_bus + bass + 0.9 * lead + 1.5 * stems["piano"] + 1.3 * stems["arp"]
    return reverb(mix, rng, seconds=1.1, mix=0.14, damp_hz=9000) + 1.0 * stems["kit"]


def _bright_drums(stems, rng, bar, start, beat, bars):
    """Place one bar of drums of `bright`."""
    if bar in (0, 4):
        stems.add("kit", start, drums.crash(rng), 0.35, pan=-0.2)
    for i in range(4):
        stems.add("kit", start + i * beat, drums.kick(), 0.95)
        stems.add("kit", start + (i + 0.5) * beat, drums.hat(rng, ring_s=0.09), 0.2, pan=0.15)
    for i in (1, 3):
        stems.add("kit", start + i * beat, drums.clap(rng), 0.8)
        stems.add("kit", start + i * beat, drums.snare(rng, tone_hz=220, length_s=0.16), 0.25)
    for i in range(16):
        stems.add("kit", start + i * beat / 4, drums.hat(rng), 0.11 * rng.uniform(0.7, 1.0), 0.4)
    if bar in (3, bars - 1):
        stems.add("kit", start, drums.riser(rng, 4 * beat), 0.12)
        for i in range(8):
            hit = drums.snare(rng, tone_hz=220, length_s=0.14)
            stems.add("kit", start + (2 + i / 4) * beat, hit, 0.15 + 0.05 * i)
