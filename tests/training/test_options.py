"""Recipes that extend others, and options: each is read by a system or refused by name."""

import inspect
import tomllib

import pytest
import torch

from models.audio.sequence import ChromaLstm, StackedCrnn
from models.audio.spectral import SpectralNet
from models.audio.window import WindowNet
from offline.cli import main
from offline.datasets.synthetic import make_dataset
from offline.recipes.extends import all_recipes, find_recipe
from offline.recipes.load import load_recipe, recipe_from
from offline.recipes.recipe import DataPart, EvaluationPart, NetworkPart, Recipe, TrainingPart
from offline.runs import begin_run, recipe_of_run
from offline.systems import SYSTEMS
from streammer.errors import InputError, UsageError

PARTS = {DataPart: "data.", EvaluationPart: "evaluation.", NetworkPart: "network.",
         TrainingPart: "training.", Recipe: ""}  # fmt: skip
KEYS = {f"{at}{key}" for part, at in PARTS.items() for key in part.__struct_fields__}
PROSE = {"about", "published", "definition", "faults"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("options")
    make_dataset(root / "data", "clips", n_songs=24, sr=11025)
    return root


def _write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return str(folder / f"{next(iter(files))}.toml")


def test_a_recipe_says_only_what_differs_from_what_it_extends(tmp_path):
    path = _write(
        tmp_path,
        mine='extends = "other.toml"\nnetwork.options.units = 3\noriginal.training.lr = 0.5\n',
        other='extends = "chroma-lstm10"\nabout = "mine"\ntraining.batch = 7\n',
    )
    base, mine = load_recipe("chroma-lstm10"), load_recipe(path)
    assert mine.network.options == {"units": 3}
    assert mine.training.batch == 7
    assert mine.training.lr == base.training.lr
    assert (mine.name, mine.about) == ("mine", "mine")
    original = load_recipe(path, mode="original").training
    assert (original.lr, original.batch, original.patience) == (0.5, 128, 5)


def test_recipes_that_extend_each_other_are_named_in_their_circle(tmp_path):
    path = _write(tmp_path, one='extends = "two.toml"', two='extends = "one.toml"')
    with pytest.raises(UsageError, match="one extends two extends one"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('extends = "crnn"\ntraining.pateince = 3', "training.pateince; did you mean patience?"),
        ('extends = "crnn"\n[original.data]\ntaget = "unit"', "original.data.taget; did you mean"),
        ('extends = "crnn"\n[original.static.traning]\nlr = 1', "original.static.traning"),
        ('extends = "crnn"\nfront_end.hop = 3', "front_end.hop; did you mean hop_length?"),
        ('extends = "crnn"\nextend = "x"', "unknown key extend"),
        ('extends = "crnm"', "did you mean crnn?"),
        ("extends = 3", "expected the name of a recipe"),
        ('family = "spectrall"\nnetwork.name = "x"', "did you mean spectral?"),
        ("training = [", "no readable recipe"),
    ],
)
def test_a_key_or_name_that_does_not_exist_is_refused_with_the_near_one(tmp_path, text, says):
    with pytest.raises(UsageError) as refused:
        load_recipe(_write(tmp_path, mine=text))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_extended_is_looked_for_beside_the_recipe(tmp_path):
    with pytest.raises(InputError, match="nosuch"):
        load_recipe(_write(tmp_path, mine='extends = "nosuch.toml"'))


def test_the_recipes_are_short():
    files = {find_recipe(name).parent for name in all_recipes()}
    lines = sum(len(p.read_text().splitlines()) for f in files for p in f.glob("*.toml"))
    assert lines <= 300


@pytest.mark.parametrize("name", all_recipes())
def test_the_effective_recipe_is_printed_and_can_be_read_again(name, capsys, tmp_path):
    assert main(["recipe", name]) == 0
    text = capsys.readouterr().out
    path = tmp_path / "printed.toml"
    path.write_text(text)
    assert load_recipe(str(path)) == load_recipe(name)
    assert recipe_from(tomllib.loads(text), name) == load_recipe(name)


def test_all_recipes_are_listed_without_those_that_are_only_extended(capsys):
    assert main(["recipe"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == all_recipes()
    assert not any(name.startswith("_") for name in listed)


def _dotted(recipe):
    """All keys of a recipe that the command line can set."""
    return sorted(KEYS - PROSE - {p.rstrip(".") for p in PARTS.values()})


def _refused(name, key):
    """The message that `--set` of the key's own value is refused with; empty where it is taken."""
    recipe = load_recipe(name).to_dict()
    value = recipe
    for part in key.split("."):
        value = value[part]
    from offline.recipes.unused import refuse_unused

    try:
        refuse_unused(load_recipe(name, changes={key: value}), [key])
    except UsageError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def read_of(place):
    """Keys that were read while a few small runs of every kind were trained and evaluated."""
    seen: dict[str, set[str]] = {}
    now = [""]

    def watched(part, at):
        def get(self, key):
            if not key.startswith("_"):
                seen.setdefault(now[0], set()).add(f"{at}{key}")
            return object.__getattribute__(self, key)

        return get

    small = {
        "spectral": ("crnn-gru3", ["network.width=0.0625", "network.image=[129, 96]"]),
        "window": ("window-m2", ["network.width=0.125"]),
        "chroma": ("chroma-lstm", []),
        "stacked": ("stacked-crnn", ["network.width=0.25"]),
        "classical": ("classical-svr", []),
    }
    forms = [
        ["training.epochs=1"],
        ["training.optimiser=sgd", "training.steps=1", "training.warm_lr=0.1",
         "training.warm_steps=1", "training.keep=last"],
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for part, at in PARTS.items():
            patch.setattr(part, "__getattribute__", watched(part, at))
        for kind, (name, own) in small.items():
            now[0] = kind
            for k, form in enumerate(forms if kind in ("spectral", "chroma") else [[]]):
                args = [f"--set={text}" for text in ("evaluation.n_boot=10", *own, *form)]
                args += ["--labels", "static"] if kind == "spectral" and k else []
                run = place / "runs" / f"{kind}{k}"
                assert main(["train", name, "--data", str(place / "data"), "--cache",
                             str(place / "cache"), "--runs", str(place / "runs"), "--name",
                             run.name, "--workers", "1", *args]) == 0  # fmt: skip
                assert main(["evaluate", str(run), "--workers", "1"]) == 0
                assert main(["export", str(run)]) == (2 if kind == "classical" else 0)
    return seen


@pytest.mark.parametrize("kind", ["spectral", "window", "chroma", "stacked", "classical"])
def test_every_option_is_read_by_a_system_or_refused(kind, read_of):
    names = [n for n in all_recipes() if load_recipe(n).family == kind]
    taken = {key for key in _dotted(names[0]) if not _refused(names[0], key)}
    assert taken - read_of[kind] == set()
    assert {"training.seed", "data.split"} <= taken


def test_the_live_model_checks_what_it_is_given():
    for name in ("live", "live-small"):
        assert "no effect" in _refused(name, "training.batch")
        for key in ("evaluation.stride", "network.name", "exports", "training.patience"):
            assert "no effect" in _refused(name, key)
        for key, known in (("net.hiden", "hidden"), ("mix.cruve", "curve"), ("augment.eqq", "eq")):
            recipe = load_recipe(name, changes={f"network.options.{key}": 1})
            with pytest.raises(UsageError, match=f"network.options.{key}; did you mean {known}"):
                recipe.kind.check(recipe)


@pytest.mark.parametrize(
    ("kind", "network"),
    [("spectral", SpectralNet), ("window", WindowNet), ("chroma", ChromaLstm),
     ("stacked", StackedCrnn)],
)  # fmt: skip
def test_the_registry_names_the_options_of_each_network(kind, network):
    given = {"name", "n_bins", "width", "original", "frames_per_step"}
    assert set(SYSTEMS[kind].options) == set(inspect.signature(network).parameters) - given


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["crnn", "--set", "training.momentum=0.9"], "only with training.optimiser = sgd"),
        (["crnn", "--set", "training.warm_share=0.9"], "only with training.schedule = one_cycle"),
        (["crnn", "--set", "training.decay=0.9"], "only with training.schedule = decay"),
        (["crnn", "--steps", "5", "--epochs", "3"], "training.epochs has an effect only"),
        (["crnn", "--set", "data.song_s=10"], "only with static labels"),
        (["crnn", "--split", "seed001", "--fold", "2"], "only with five folds"),
        (["crnn", "--set", "network.options.dropuot=0"], "did you mean dropout?"),
        (["crnn", "--set", "training.lear=0.1"], "unknown key training.lear"),
        (["crnn", "--set", "family=window"], "family"),
        (["crnn", "--set", "original.data.target=unit"], "original"),
        (["live", "--set", "network.options.net.hiden=1"], "did you mean hidden?"),
    ],
)
def test_an_option_without_effect_is_refused_before_anything_is_read(args, says, capsys):
    assert main(["train", *args]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert says in error[0]


@pytest.mark.parametrize("name", ["chroma-lstm", "classical-svr"])
def test_fresh_throws_the_earlier_run_away(name, place, capsys):
    args = ["train", name, "--data", str(place / "data"), "--cache", str(place / "cache"),
            "--runs", str(place / "fresh"), "--workers", "1", "--split", "song"]  # fmt: skip
    args += ["--set", "training.steps=1"] if name == "chroma-lstm" else []
    assert main(args) == 0
    run = next(r for r in (place / "fresh").iterdir() if r.name.startswith(name))
    (run / "left over").write_text("x")
    assert main(args) == 0
    assert "already trained" in capsys.readouterr().err
    assert main([*args, "--seed", "4"]) == 2
    assert "another configuration" in capsys.readouterr().err
    assert main([*args, "--seed", "4", "--fresh"]) == 0
    assert not (run / "left over").exists()
    assert recipe_of_run(run).training.seed == 4


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--precision", "16-mixed"], "needs a GPU"),
        (["--accelerator", "gpu"], "accelerator = gpu"),
        (["--accelerator", "abacus"], "accelerator = abacus"),
        (["--devices", "0", "--accelerator", "cpu"], "devices = 0"),
    ],
)
def test_a_device_that_is_not_there_is_refused_before_a_run_is_thrown_away(
    asked, says, place, capsys, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    run = place / "kept" / "run"
    run.mkdir(parents=True, exist_ok=True)
    (run / "config.json").write_text("{}")
    args = ["train", "chroma-lstm", "--data", str(place / "data"), "--runs", str(run.parent),
            "--name", "run", "--fresh"]  # fmt: skip
    assert main([*args, *asked]) == 2
    errors = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error")]
    assert len(errors) == 1
    assert says in errors[0]
    assert (run / "config.json").exists()


def test_a_live_run_is_begun_anew_gone_on_with_or_refused(tmp_path):
    recipe, run = load_recipe("live"), tmp_path / "run"
    begin_run(run, recipe, tmp_path / "data", tmp_path / "cache")
    (run / "left over").write_text("x")
    begin_run(run, recipe, tmp_path / "data", tmp_path / "elsewhere")
    assert (run / "left over").exists()
    other = load_recipe("live", changes={"training.lr": 0.5})
    with pytest.raises(UsageError, match="another configuration"):
        begin_run(run, other, tmp_path / "data", tmp_path / "cache")
    with pytest.raises(UsageError, match=r"another data set, .*data; "):
        begin_run(run, recipe, tmp_path / "more", tmp_path / "cache")
    begin_run(run, other, tmp_path / "more", tmp_path / "cache", fresh=True)
    assert not (run / "left over").exists()
    assert recipe_of_run(run) == other
