"""Compose and render the bundled demo track: one minute, four moods, from numpy alone.

    python examples/compose_demo.py                  # examples/demo.ogg and demo.json
    python examples/compose_demo.py --out track.wav  # elsewhere, in any format of libsndfile

The same seed gives the same music. `demo.json` says where each movement lies and which quadrant of
the mood plane it was written for.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile
from demo_track import sections
from demo_track.effects import limit, loudness
from demo_track.synth import SR

SEED = 20
FADE_S = 1.4
MASTER_LUFS = -14.0

# What is played, the quadrant it was written for, its length [s], its loudness [LUFS].
MOVEMENTS = (
    (sections.calm, "Q4", 15.0, -18.0),
    (sections.sad, "Q3", 15.0, -19.5),
    (sections.tense, "Q2", 13.5, -12.5),
    (sections.bright, "Q1", 17.0, -12.5),
)


def render(seed=SEED):
    """Return the track, float32 stereo `[n, 2]`, and its movements as a list of dicts."""
    total = sum(length for _, _, length, _ in MOVEMENTS)
    track = np.zeros((int(total * SR), 2))
    plan, start = [], 0.0
    for i, (play, quadrant, length, lufs) in enumerate(MOVEMENTS):
        y = play(np.random.default_rng([seed, i]))
        t = np.arange(len(y)) / SR
        # Equal power: the old movement's last bar leaves while the new one enters.
        rise = np.ones(len(y)) if i == 0 else np.sin(np.clip(t / FADE_S, 0, 1) * np.pi / 2)
        fall = np.cos(np.clip((t - length) / FADE_S, 0, 1) * np.pi / 2)
        y *= 10.0 ** ((lufs - loudness(y[: int(length * SR)])) / 20.0)
        at = int(start * SR)
        y = (y * (rise * fall)[:, None])[: len(track) - at]
        track[at : at + len(y)] += y
        plan.append({"name": play.__name__, "start_s": start, "end_s": start + length})
        plan[-1]["quadrant"] = quadrant
        start += length
    for _ in range(2):  # the limiter takes a little loudness, so approach from below
        track = limit(track * 10.0 ** ((MASTER_LUFS - loudness(track)) / 20.0))
    track[-int(0.3 * SR) :] *= np.linspace(1.0, 0.0, int(0.3 * SR))[:, None]
    return track.astype(np.float32), plan


def main():
    """Render and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("demo.ogg"))
    out = parser.parse_args().out
    track, plan = render()
    with soundfile.SoundFile(out, "w", SR, 2) as file:
        for second in range(0, len(track), SR):  # libsndfile's Vorbis crashes on one long write
            file.write(track[second : second + SR])
    out.with_suffix(".json").write_text(json.dumps(plan, indent=2) + "\n")
    print(f"{out}: {len(track) / SR:.1f} s, {loudness(track):.1f} LUFS")


if __name__ == "__main__":
    main()
