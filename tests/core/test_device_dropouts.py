"""What is missing of a device's sound, judged by the clock."""

import numpy as np
import pytest
from fake_devices import SR

from streammer.sources.device.dropouts import HoleFinder


@pytest.mark.parametrize("ppm", [-250, 250])
def test_a_sound_card_whose_clock_is_a_little_off_has_lost_nothing(ppm):
    holes = HoleFinder(SR)
    rng = np.random.default_rng(0)
    hours = 3 * 3600 * 10
    jitter = rng.exponential(0.01, hours)
    lost = sum(
        holes.lost(0.1 * k * (1 + ppm * 1e-6) + jitter[k], 100, None, False) for k in range(hours)
    )
    assert lost == 0
