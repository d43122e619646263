"""Torch modules as artefacts: stepping equals the whole sequence, cards tell the truth."""

import json
import math

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from offline.export.card import REQUIRED, metrics_table
from offline.export.onnx import attach_metrics, export_model, parity
from streammer.errors import ModelError, OutputError, UsageError
from streammer.frontend import FrontEndSpec
from streammer.inference.artefact import card_path, graph_hash, read_metadata
from streammer.inference.audit import check_artefact
from streammer.inference.backends.onnx import OnnxBackend
from streammer.inference.model import load_model

MEL = FrontEndSpec("mel", 22050, 1024, 441, 40, fmin=30.0, fmax=11000.0)
CHROMA = FrontEndSpec("chroma", 22050, 4096, 2205, 12, log="log1p", gain=10.0)
SECTIONS = {
    "Data": "Noise, drawn here.",
    "Splits": "None.",
    "Known failures": "Knows nothing of music.",
}
META = {
    "name": "toy",
    "version": "1.0",
    "step_s": 0.5,
    "outputs": ["valence", "arousal"],
    "warmup_s": 2.0,
    "prior": {"valence": {"mean": 0.0, "sd": 0.3}, "arousal": {"mean": 0.0, "sd": 0.3}},
    "licence": "MIT",
    "trained_on": "nothing",
}


@pytest.fixture(autouse=True)
def _one_thread_and_seed():
    torch.set_num_threads(1)
    torch.manual_seed(3)


class ConvGru(nn.Module):
    """Causal convolution, two layers of GRU: the last frames and the hidden states are kept."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, (5, 3), padding=(0, 1))
        self.norm = nn.BatchNorm2d(4)
        self.norm.running_mean.uniform_(-0.5, 0.5)
        self.mix = nn.Linear(4 * MEL.n_bins, 32)
        self.drop = nn.Dropout(0.5)
        self.gru = nn.GRU(32, 24, 2, batch_first=True)
        self.head = nn.Linear(24, 2)

    def zero_state(self, batch):
        return torch.zeros(batch, 4, MEL.n_bins), torch.zeros(batch, 2, 24)

    def frames(self, mel, past, h):
        """Mood after every frame of a sequence of any length."""
        x = torch.cat([past, torch.log1p(mel)], 1)
        # The last frames as layers cut them: a slice of which tracing loses the size.
        after = x[:, x.shape[1] - 4 :]
        y = torch.relu(self.norm(self.conv(x[:, None])))
        y = self.drop(torch.relu(self.mix(y.transpose(1, 2).flatten(2))))
        y, h = self.gru(y, h.transpose(0, 1).contiguous())
        return torch.tanh(self.head(y)), after, h.transpose(0, 1)

    def forward(self, mel, past, h):
        moods, past, h = self.frames(mel, past, h)
        return moods[:, -1], past, h


class TwoEars(nn.Module):
    """Mel and chroma; a leaky sum is the memory."""

    def __init__(self):
        super().__init__()
        self.mel = nn.Linear(MEL.n_bins, 8)
        self.chroma = nn.Linear(12, 8)
        self.head = nn.Linear(16, 1)

    def zero_state(self, batch):
        return (torch.zeros(batch, 16),)

    def forward(self, mel, chroma, memory):
        heard = torch.cat([self.mel(torch.log1p(mel)).mean(1), self.chroma(chroma).mean(1)], 1)
        memory = 0.9 * memory + 0.1 * heard
        return torch.sigmoid(self.head(memory)), memory


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    torch.manual_seed(5)
    module = ConvGru()
    path = export_model(module, {"features": MEL}, META, tmp_path_factory.mktemp("out"), SECTIONS)
    return module, path


def mel(batch, frames, seed=0):
    rng = np.random.default_rng(seed)
    return rng.lognormal(0.0, 2.0, (batch, frames, MEL.n_bins)).astype(np.float32)


def test_stepping_equals_torch_over_the_whole_sequence(toy):
    module, path = toy
    model = load_model(path)
    x = mel(3, 25 * 40)
    with torch.inference_mode():
        whole = module.frames(torch.from_numpy(x), *module.zero_state(3))[0].numpy()
    state = model.zero_state(3)
    for step in range(40):
        at = 25 * step
        mood, state = model.step({"features": x[:, at : at + 25]}, state)
        np.testing.assert_allclose(mood, whole[:, at + 24], rtol=0, atol=1e-5)  # contract 1


def test_a_stream_does_not_feel_its_batch(toy):
    model = load_model(toy[1])
    together, alone = OnnxBackend(model), OnnxBackend(model)
    slots = [(together.acquire(), alone.acquire()) for _ in range(7)]
    for step in range(10):
        x = mel(7, 25, seed=step)
        moods = together.step([s[0] for s in slots], {"features": x})
        for row, (_, slot) in enumerate(slots):
            own = alone.step([slot], {"features": x[row : row + 1]})
            np.testing.assert_allclose(moods[row], own[0], rtol=0, atol=1e-5)  # contract 1


def test_an_export_passes_every_check(toy):
    model = check_artefact(toy[1])
    assert model.state_shapes == {"state.0": (4, 40), "state.1": (2, 24)}
    assert model.meta.metrics == {}


def test_an_export_of_two_front_ends_keeps_their_order(tmp_path):
    module = TwoEars()
    ears = {"features.mel": MEL, "features.chroma": CHROMA}
    meta = {**META, "name": "ears", "outputs": ["arousal"]}
    path = export_model(module, ears, meta, tmp_path, SECTIONS)
    model = check_artefact(path)
    assert model.front_ends == ears
    assert parity(model, module) < 1e-5


def test_a_graph_tells_nothing_of_where_it_was_made(toy):
    data = toy[1].read_bytes()
    assert b".py" not in data
    assert b"site-packages" not in data
    proto = onnx.load_model_from_string(data)
    assert [p.key for p in proto.metadata_props] == ["streammer"]
    assert not any(n.doc_string or n.metadata_props for n in proto.graph.node)
    assert [o.version for o in proto.opset_import] == [17]


def test_a_gru_stays_one_operator(toy):
    kinds = [n.op_type for n in onnx.load(toy[1]).graph.node]
    assert kinds.count("GRU") == 2


def test_an_export_is_the_same_bytes_every_time(toy, tmp_path):
    again = export_model(toy[0], {"features": MEL}, META, tmp_path, SECTIONS)
    assert again.read_bytes() == toy[1].read_bytes()


def test_dropout_and_batch_norm_are_exported_as_for_evaluation(tmp_path):
    module = ConvGru().train()
    export_model(module, {"features": MEL}, META, tmp_path, SECTIONS)
    assert not module.training


class FrozenBatch(TwoEars):
    """Divides by the batch size that tracing saw."""

    def forward(self, mel, chroma, memory):
        mood, memory = super().forward(mel, chroma, memory)
        return mood / int(mood.shape[0]), memory


def test_a_size_that_tracing_froze_is_found_and_nothing_is_written(tmp_path):
    ears = {"features.mel": MEL, "features.chroma": CHROMA}
    meta = {**META, "outputs": ["arousal"]}
    with pytest.raises(ModelError, match=r"differs from its torch module by .* at most 1e-05"):
        export_model(FrozenBatch(), ears, meta, tmp_path, SECTIONS)
    assert not list(tmp_path.iterdir())


class Restless(TwoEars):
    def zero_state(self, batch):
        return (torch.ones(batch, 16),)


class Stateless(nn.Module):
    def forward(self, mel):
        return mel.mean((1, 2))[:, None].expand(-1, 2)


def test_a_module_must_begin_with_zeros(tmp_path):
    ears = {"features.mel": MEL, "features.chroma": CHROMA}
    with pytest.raises(UsageError, match="an all-zero state must mean that there was no input"):
        export_model(Restless(), ears, {**META, "outputs": ["arousal"]}, tmp_path, SECTIONS)
    with pytest.raises(UsageError, match=r"Stateless has no zero_state\(batch\)"):
        export_model(Stateless(), {"features": MEL}, META, tmp_path, SECTIONS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "blue"}, "metadata has 'colour', expected only"),
        ({"contract": 1}, "metadata has 'contract', expected only"),
        ({"version": ""}, "version"),
        ({"name": "../toy"}, "name"),
    ],
)
def test_wrong_metadata_are_wrong_usage(tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        export_model(ConvGru(), {"features": MEL}, {**META, **changes}, tmp_path, SECTIONS)


def test_a_module_of_other_outputs_is_refused(tmp_path):
    meta = {**META, "outputs": ["arousal"]}
    with pytest.raises(ModelError, match=r"output mood has \[batch, 2\], expected \[batch, 1\]"):
        export_model(ConvGru(), {"features": MEL}, meta, tmp_path, SECTIONS)


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        export_model(ConvGru(), {"features": MEL}, META, tmp_path / "file", SECTIONS)


# Cards


@pytest.mark.parametrize("title", REQUIRED)
def test_a_card_without_a_required_section_is_refused(tmp_path, title):
    sections = {**SECTIONS, title: " \n"}
    with pytest.raises(UsageError, match=f"has no section '{title}'"):
        export_model(ConvGru(), {"features": MEL}, META, tmp_path, sections)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"Metrics": "very good"}, "'Metrics' is written from the evaluation"),
        ({"Extra": "text\n## Data\nmore"}, "'Extra' has a heading of its own"),
    ],
)
def test_sections_may_not_replace_what_is_measured(tmp_path, section, message):
    with pytest.raises(UsageError, match=message):
        export_model(ConvGru(), {"features": MEL}, META, tmp_path, {**SECTIONS, **section})


def test_a_card_states_facts_and_sections(tmp_path):
    meta = {**META, "recipe": "[data]\nname = 'noise'", "data_hash": "abcd1234"}
    sections = {**SECTIONS, "Summary": "A toy.", "Ethics": "None.", "Licence": "As is."}
    path = export_model(ConvGru(), {"features": MEL}, meta, tmp_path, sections)
    card = card_path(path).read_text(encoding="utf-8")
    titles = [line[3:] for line in card.splitlines() if line.startswith("## ")]
    assert titles == [
        "Facts",
        "Data",
        "Splits",
        "Metrics",
        "Known failures",
        "Ethics",
        "Licence",
        "Recipe",
    ]
    assert card.startswith("# toy 1.0\n\nA toy.\n")
    assert f"`{graph_hash(path)}`" in card
    for said in ("25 frames: kind mel, sr 22050", "state.1 [2, 24]", "abcd1234", "MIT\n\nAs is."):
        assert said in card
    assert "Not evaluated yet" in card
    assert "name = 'noise'" in card
    assert read_metadata(path).recipe == meta["recipe"]


# Metrics


METRICS = {
    "test": {
        "model": {"rmse_valence": np.float32(0.125), "rmse_arousal": (0.11, 0.10, 0.12)},
        "constant": {"rmse_valence": 0.21, "tau_arousal": math.nan},
    },
    "n_songs": 58,
}


@pytest.fixture
def fresh(tmp_path):
    return export_model(ConvGru(), {"features": MEL}, META, tmp_path, SECTIONS)


def test_metrics_are_attached_and_the_graph_keeps_its_hash(fresh):
    before = graph_hash(fresh)
    attach_metrics(fresh, METRICS)
    assert graph_hash(fresh) == before
    metrics = check_artefact(fresh).meta.metrics
    assert metrics["artefact_hash"] == before
    assert metrics["test"]["model"] == {"rmse_valence": 0.125, "rmse_arousal": [0.11, 0.1, 0.12]}
    assert metrics["test"]["constant"]["tau_arousal"] is None
    json.dumps(metrics, allow_nan=False)


def test_attached_metrics_stand_in_the_card_beside_the_constant(fresh):
    untouched = card_path(fresh).read_text(encoding="utf-8")
    attach_metrics(fresh, METRICS)
    card = card_path(fresh).read_text(encoding="utf-8")
    assert "| all | 58 |  |  |  |" in card
    assert "| test / model |  | 0.125 | 0.11, 0.1, 0.12 |  |" in card
    assert "| test / constant |  | 0.21 |  |  |" in card
    assert "Not evaluated yet" not in card
    section = "## Metrics\n"
    assert card.split(section)[0] == untouched.split(section)[0]
    assert card.split("## Known failures")[1] == untouched.split("## Known failures")[1]


def test_metrics_are_replaced_by_later_ones(fresh):
    attach_metrics(fresh, METRICS)
    attach_metrics(fresh, {"rmse": 0.2})
    metrics = check_artefact(fresh).meta.metrics
    assert metrics == {"rmse": 0.2, "artefact_hash": graph_hash(fresh)}
    assert "0.125" not in card_path(fresh).read_text(encoding="utf-8")


def test_metrics_are_not_attached_beside_a_card_of_another_graph(fresh, toy):
    card_path(fresh).write_text(card_path(toy[1]).read_text(encoding="utf-8"), encoding="utf-8")
    before = fresh.read_bytes()
    with pytest.raises(ModelError, match="another graph"):
        attach_metrics(fresh, METRICS)
    assert fresh.read_bytes() == before


def test_an_interval_of_the_bootstrap_is_one_figure():
    metrics = {"test": {"rmse": {"value": 0.2, "low": 0.15, "high": 0.25}, "n": 58}}
    assert metrics_table(metrics).splitlines()[-1] == "| test | 0.2 (0.15 .. 0.25) | 58 |"


def test_metrics_that_lie_deep_are_rows_of_one_table():
    table = metrics_table({"a": {"b": {"x": 1, "y": 2.0}}, "c": {"y": "n|f"}, "z": 3})
    assert table.splitlines() == [
        "|  | z | x | y |",
        "| --- | --- | --- | --- |",
        "| all | 3 |  |  |",
        "| a / b |  | 1 | 2 |",
        "| c |  |  | n\\|f |",
    ]
