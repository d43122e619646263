"""What is published of a `MoodNet`: its heads smoothed, calibrated and brought to their ranges."""

import torch
from torch import Tensor, nn

from models.layers import RunningMean
from models.live.mood_net import STEP_S, MoodNet

__all__ = ["OUTPUTS", "MoodStep"]

OUTPUTS = (
    "valence",
    "arousal",
    "sigma_valence",
    "sigma_arousal",
    "p_positive",
    "p_energetic",
)


class MoodStep(nn.Module):
    """One step of a network as an artefact has it: ``mood [b, 6]`` and the next states.

    Parameters
    ----------
    net : MoodNet
        Its auxiliary heads are left behind.
    sigma_scale, logit_scale : (float, float)
        Factors of the sigmas of valence and arousal and of the logits of positive and energetic,
        fitted on songs that the network was not trained on.
    sigma_max : (float, float)
        Largest sigma: the prior's.

    Notes
    -----
    The running mean over ``config.smoothing_s`` is part of the graph, so that what is scored is
    what is published; its first value is the first estimate itself.
    """

    sigma_scale: Tensor
    logit_scale: Tensor
    sigma_max: Tensor

    def __init__(
        self,
        net: MoodNet,
        *,
        sigma_scale: tuple[float, float] = (1.0, 1.0),
        logit_scale: tuple[float, float] = (1.0, 1.0),
        sigma_max: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        super().__init__()
        self.net = net
        tau = net.config.smoothing_s / STEP_S
        self.smooth = RunningMean((tau,)) if tau > 0 else None
        self.register_buffer("sigma_scale", torch.tensor(sigma_scale))
        self.register_buffer("logit_scale", torch.tensor(logit_scale))
        self.register_buffer("sigma_max", torch.tensor(sigma_max))
        self.eval()

    def zero_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return all states before any input."""
        states = self.net.zero_state(batch)
        return states if self.smooth is None else (*states, self.smooth.zero_state(batch, 6))

    def sequence(self, mel: Tensor, chroma: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return the mood of each of several steps ``[b, steps, 6]`` and the next states."""
        own = state if self.smooth is None else state[:-1]
        heads, *new = self.net(mel, chroma, *own)
        given = torch.cat((heads["mood"], heads["half_planes"], heads["ln_sigma"]), 2)
        if self.smooth is not None:
            means, last = self.smooth(given, state[-1])
            given = means[:, :, 0]
            new.append(last)
        sigma = torch.exp(given[..., 4:].clamp(-4.0, 1.0)) * self.sigma_scale
        p = torch.sigmoid(given[..., 2:4] * self.logit_scale)
        mood = given[..., :2].clamp(-1.0, 1.0)
        return torch.cat((mood, torch.minimum(sigma, self.sigma_max), p), 2), *new

    def forward(self, mel: Tensor, chroma: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return the mood after one step and the next states."""
        mood, *new = self.sequence(mel, chroma, *state)
        return mood[:, 0], *new
