"""A kernel ridge on running statistics, and what ships: that beside small networks.

With a thousand songs, smooth functions of good statistics generalise better than a network that
must find its features. Far from every song it was fitted on, the kernels vanish: what is left is
the prior's mean, p = 1/2 and the prior's sigma, which is what an honest model gives for no music.
"""

import torch
from torch import Tensor, nn

from models.layers import RunningMean
from models.live.ensemble import LiveEnsemble
from models.live.mlp import MlpEnsemble
from models.live.texture import Texture

__all__ = ["KernelMood", "LiveModel", "log_variance_features"]


class KernelMood(nn.Module):
    """Gaussian kernels around known songs, linear heads on them.

    Parameters
    ----------
    texture : Texture
    landmarks : Tensor [shape=(m, d)]
        Projected features of songs.
    shift, scale : Tensor [shape=(features,)]
        ``z = clamp((x - shift) * scale) @ project``; weights of feature groups are part of the
        scale.
    limit : Tensor [shape=(features,)]
        Largest size of each feature, scaled.
    project : Tensor [shape=(features, d)]
        Onto the directions in which songs differ: a few of them hold nearly all of a distance.
    gamma : float
        ``k(z, c) = exp(-gamma |z - c|^2)``.
    heads : Tensor [shape=(m, 5)]
        Valence, arousal, positive, energetic, and how much this is music.
    log_variance : Tensor [shape=(6 + n, 2)]
        Ln sigma of valence and arousal over the prior's, from `log_variance_features`.
    offset : Tensor [shape=(7,)]
        Output where no kernel reaches: valence, arousal, their ln sigma, positive, energetic,
        music.
    """

    def __init__(
        self,
        texture: Texture,
        landmarks: Tensor,
        shift: Tensor,
        scale: Tensor,
        limit: Tensor,
        project: Tensor,
        gamma: float,
        heads: Tensor,
        log_variance: Tensor,
        offset: Tensor,
    ) -> None:
        super().__init__()
        self.texture = texture
        self.gamma = gamma
        self.steep = 12.0
        self.register_buffer("landmarks", landmarks.T.contiguous())
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self.register_buffer("limit", limit)
        self.register_buffer("project", project)
        self.register_buffer("heads", heads)
        self.register_buffer("log_variance", log_variance)
        self.register_buffer("offset", offset)

    def zero_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return the states before any input."""
        return self.texture.zero_state(batch)

    def read(self, features: Tensor) -> Tensor:
        """Raw heads ``[b, 6]`` of features ``[b, n]`` and, last, the share of music in 0 .. 1.

        What is no music is put in the middle, with the prior's sigma.
        """
        # The heads are large and of both signs: their sum is taken in double precision, or two
        # runtimes would differ by more than the contract allows.
        z = ((features - self.shift) * self.scale).double()
        z = torch.maximum(torch.minimum(z, self.limit.double()), -self.limit.double())
        z = torch.matmul(z, self.project.double())
        landmarks = self.landmarks.double()
        sizes = (landmarks * landmarks).sum(0)
        apart = (z * z).sum(1, keepdim=True) + sizes - 2 * torch.matmul(z, landmarks)
        near = torch.exp(-self.gamma * apart.clamp(min=0))
        raw = torch.matmul(near, self.heads.double()).float()
        mood = raw[:, :2] + self.offset[:2]
        directions = int(self.log_variance.shape[0]) - 6
        log_variance = torch.matmul(
            log_variance_features(mood, z[:, :directions].float()), self.log_variance
        )
        music = torch.sigmoid(self.steep * (raw[:, 4:] - 0.5))
        predicted = torch.cat((mood, raw[:, 2:4]), 1)
        return torch.cat(
            (
                music * predicted[:, :2],
                self.offset[2:4] + music * log_variance,
                music * predicted[:, 2:],
                music,
            ),
            1,
        )


def log_variance_features(mood: Tensor, z: Tensor) -> Tensor:
    """Return what an error is expected from ``[b, 6 + n]``: powers of the mood, n directions.

    More, the kernels themselves above all, fits the errors of known songs and carries over less to
    new ones.
    """
    v, a = mood[:, :1], mood[:, 1:]
    return torch.cat((torch.ones_like(v), v, a, v * v, a * a, v * a, z), 1)


class LiveModel(nn.Module):
    """One step of the shipped model: ``mood [b, 6]`` and the next states.

    Parameters
    ----------
    kernel : KernelMood
    networks : LiveEnsemble or None
    share : (float, float, float, float)
        Of the networks in valence, arousal, positive and energetic; 0 to 1.
    MLPs : MLPs or None
        On the kernel ridge's statistics.
    MLP_share : (float, float, float, float)
        Of the MLPs in what the networks leave.
    smoothing_s : float     [s]
        Time constant of the running mean of all outputs; 0 for none.
    sigma_max : (float, float)
        Largest sigma: the prior's.
    """

    def __init__(
        self,
        kernel: KernelMood,
        networks: LiveEnsemble | None = None,
        share: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
        smoothing_s: float = 0.0,
        sigma_max: tuple[float, float] = (1.0, 1.0),
        step_s: float = 0.5,
        *,
        mlps: MlpEnsemble | None = None,
        mlp_share: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
    ) -> None:
        super().__init__()
        self.kernel, self.networks, self.mlps = kernel, networks, mlps
        self.smooth = RunningMean((smoothing_s / step_s,)) if smoothing_s > 0 else None
        self.register_buffer("share", torch.tensor(share))
        self.register_buffer("mlp_share", torch.tensor(mlp_share))
        self.register_buffer("sigma_max", torch.tensor(sigma_max))
        self.n_kernel = len(kernel.zero_state(1))
        self.n_networks = len(networks.zero_state(1)) if networks is not None else 0
        self.eval()

    def zero_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return the states before any input."""
        states = list(self.kernel.zero_state(batch))
        if self.networks is not None:
            states.extend(self.networks.zero_state(batch))
        if self.smooth is not None:
            states.append(self.smooth.zero_state(batch, 6))
        return tuple(states)

    def forward(self, mel: Tensor, chroma: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return valence, arousal, their sigmas, p_positive, p_energetic, and the next states."""
        features, _, *new = self.kernel.texture(mel, chroma, *state[: self.n_kernel])
        raw = self.kernel.read(features)
        point, music = torch.cat((raw[:, :2], raw[:, 4:6]), 1), raw[:, 6:]
        if self.mlps is not None:
            point = point + self.mlp_share * (music * self.mlps(features) - point)
        if self.networks is not None:
            at = self.n_kernel
            heads, *more = self.networks.members_raw(mel, chroma, *state[at : at + self.n_networks])
            new += more
            mean = heads[:, -1].mean(1)
            mean = music * torch.cat((mean[:, :2], mean[:, 4:6]), 1)
            point = point + self.share * (mean - point)
        predicted = torch.cat((point, raw[:, 2:4]), 1)
        if self.smooth is not None:
            means, last = self.smooth(predicted[:, None], state[-1])
            predicted = means[:, 0, 0]
            new.append(last)
        sigma = torch.minimum(torch.exp(predicted[:, 4:].clamp(-4.0, 1.0)), self.sigma_max)
        p = torch.sigmoid(predicted[:, 2:4])
        return torch.cat((predicted[:, :2].clamp(-1.0, 1.0), sigma, p), 1), *new
