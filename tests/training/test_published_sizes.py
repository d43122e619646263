"""Networks have the published shapes and numbers of weights; original modes keep their faults."""

import pytest
import torch

from models.audio.bodies import SPECTRAL
from models.audio.sequence import ChromaLstm, StackedCrnn, n_trained
from models.audio.spectral import SpectralNet
from models.audio.window import WindowNet, dct_matrix


@pytest.mark.parametrize(
    ("name", "weights"),
    [("window-m1", 5_212_609), ("window-m2", 492_977), ("window-m3", 5_933_569)],
)
def test_window_nets_have_the_published_weights(name, weights):
    assert n_trained(WindowNet(name)) == weights


def test_chroma_lstm_has_the_published_weights():
    assert n_trained(ChromaLstm(units=5)) == 366


def test_stacked_crnn_has_about_thirty_thousand_weights():
    assert n_trained(StackedCrnn(frames_per_step=25)) == pytest.approx(30_000, rel=0.1)


@pytest.mark.parametrize("name", ["crnn-gru3", "crnn-bilstm"])
def test_crnn_blocks_give_sixty_steps_of_1024(name):
    net = SpectralNet(name)
    assert net.body.blocks(torch.zeros(1, 2, 129, 1024)).shape == (1, 256, 4, 60)
    assert net.body.recurrent.layers[0].input_size == 1024


def test_crnn_extra_convolution_gives_59_steps_of_512():
    body = SpectralNet("crnn").body
    assert body.extra(torch.zeros(1, 256, 4, 60)).shape == (1, 512, 1, 59)


def test_cbam_and_res_shapes():
    assert SpectralNet("crnn-cbam").body.recurrent.layers[0].input_size == 1024
    assert SpectralNet("crnn-res").body.recurrent.layers[0].input_size == 512


def test_dense_is_too_large_for_an_artefact():
    with torch.device("meta"):
        net = SpectralNet("dense", width=1.0)
    assert n_trained(net) > 130e6


@pytest.mark.parametrize("name", list(SPECTRAL))
def test_original_spectral_nets_end_in_relu_but_the_residual_one(name):
    torch.manual_seed(0)
    net = SpectralNet(name, width=1 / 16, image=(129, 128), original=True).eval()
    with torch.no_grad():
        y = torch.cat([net(10 * torch.rand(2, 300, 129)) for _ in range(3)])
        net.train(False)
        for p in net.body.head[-1].parameters():
            p.fill_(-1.0)
        dead = net(10 * torch.rand(2, 300, 129))
    assert y.shape == (6, 2)
    assert (name == "crnn-res") == bool((dead < 0).any())


def test_repeated_channel_means_that_both_are_the_mono_signal():
    net = SpectralNet("conv", width=1 / 16, image=(129, 128))
    heard = []
    net.body.register_forward_pre_hook(lambda _, x: heard.append(x[0]))
    net(torch.rand(1, 300, 129))
    assert heard[0].shape[1] == 2
    assert torch.equal(heard[0][:, 0], heard[0][:, 1])


def test_original_window_net_is_deaf_to_loudness_and_corrected_is_not():
    torch.manual_seed(0)
    x = torch.rand(2, 72, 96) + 0.1
    for original in (True, False):
        net = WindowNet("window-m2", width=0.25, original=original).eval()
        with torch.no_grad():
            change = (net(x) - net(100 * x)).abs().max()
        assert (change < 1e-4) == original


def test_dct_is_orthonormal_and_equals_scipy():
    import scipy.fft

    m = dct_matrix(96, 96)
    assert torch.allclose(m.T @ m, torch.eye(96), atol=1e-5)
    x = torch.rand(3, 96)
    want = scipy.fft.dct(x.numpy(), norm="ortho")
    assert torch.allclose(x @ m, torch.from_numpy(want), atol=1e-5)


@pytest.mark.parametrize("both", [False, True])
def test_chroma_lstm_steps_as_it_runs(both):
    torch.manual_seed(0)
    net = ChromaLstm(units=5, both=both).eval()
    x = torch.rand(1, 8, 12)
    whole = net(x)
    assert whole.shape == (1, 8, 1)
    if both:
        return
    h = c = torch.zeros(1, 5)
    for k in range(8):
        y, h, c = net.step(x[:, k : k + 1], h, c)
        assert torch.allclose(y, whole[:, k], atol=1e-6)
