"""Words of lyrics: normalised, tokenised, and nothing fitted on a song that does not train."""

import json

import numpy as np
import pytest

from offline.datasets.lyrics import MAX_WORDS, lyrics_from, read_folder
from offline.datasets.song import Dataset, Findings, Lyrics, Song, no_curve
from offline.datasets.splits import Split
from offline.features.lexicon import (
    FEATURES,
    Lexicon,
    Scaler,
    learned_lexicon,
    lyrics_features,
)
from offline.features.text import (
    language_lines,
    language_of,
    normalise,
    segments_of,
    tokens_of,
    words_of,
)
from offline.features.vocabulary import PAD, UNKNOWN, TrainingTexts, Vocabulary
from streammer.errors import InputError, UsageError

NORMS = {"love": np.array([0.9, 0.2, 0.4]), "run": np.array([0.1, 0.6, 0.1]),
         "happy": np.array([0.8, 0.3, 0.4]), "hate": np.array([-0.8, 0.4, -0.2])}  # fmt: skip


def dataset_of(texts):
    found = {k: v if isinstance(v, Lyrics | None) else Lyrics(v) for k, v in texts.items()}
    songs = [Song(id=k, dataset="x", artist=f"artist {k}") for k in found]
    return Dataset("x", "x", None, songs, no_curve, lyrics_of=found.get)


def split_of(**sides):
    ids = {k: tuple(f"x:{song}" for song in v) for k, v in sides.items()}
    return Split("test", **{"train": (), "validation": (), "test": (), **ids})


@pytest.fixture
def leaky():
    """Songs of which the validation and the test song have a word of their own, many times."""
    dataset = dataset_of(
        {"a": "love you love me", "b": "love the night", "c": None,
         "v": "validword " * 50 + "love", "t": "testword " * 50 + "love"}
    )  # fmt: skip
    return dataset, split_of(train="abc", validation="v", test="t")


def test_no_word_of_a_validation_or_test_song_can_enter_what_is_fitted(leaky):
    dataset, split = leaky
    texts = TrainingTexts.of(dataset, split)
    assert texts.uids == ("x:a", "x:b")
    assert texts.n_without == 1
    fitted = [
        set(Vocabulary.fit(texts, least_songs=1).words),
        {word for sentence in texts.sentences() for word in sentence},
        set(learned_lexicon(texts, {f"x:{k}": 1.0 for k in "abvt"}, least_songs=1)),
    ]
    for words in fitted:
        assert words == {"love", "you", "me", "the", "night"}


def test_changing_a_test_song_changes_nothing_that_is_fitted(leaky):
    dataset, split = leaky
    changed = dataset_of(
        {s.id: "other words love" if s.id in "vt" else dataset.lyrics(s.id) for s in dataset}
    )
    features = {}
    for data in (dataset, changed):
        texts = TrainingTexts.of(data, split)
        table = {f"x:{s.id}": np.full(2, len(words_of(data.lyrics(s.id)))) for s in data}
        features[data is dataset] = (
            Vocabulary.fit(texts, least_songs=1).hash,
            learned_lexicon(texts, {"x:a": 1.0, "x:b": 0.0, "x:t": 9.0}, least_songs=1),
            Scaler.fit(texts, table).mean.tolist(),
        )
    assert features[True] == features[False]


def test_a_split_whose_training_songs_have_no_lyrics_is_refused(leaky):
    dataset, _ = leaky
    with pytest.raises(UsageError, match="none of 1 training songs has lyrics"):
        TrainingTexts.of(dataset, split_of(train="c", test="a"))


def test_a_word_of_few_songs_is_left_out_and_encoded_as_unknown(leaky):
    vocabulary = Vocabulary.fit(TrainingTexts.of(*leaky), least_songs=2)
    assert vocabulary.words == ("love",)
    assert vocabulary.encode(["love", "testword"], 4).tolist() == [2, UNKNOWN, PAD, PAD]
    assert vocabulary.encode(["love"] * 9, 3).tolist() == [2, 2, 2]
    assert vocabulary.unknown_share(["love", "testword"]) == 0.5
    assert np.isnan(vocabulary.unknown_share([]))


def test_tf_idf_is_of_length_one_and_zero_without_known_words(leaky):
    vocabulary = Vocabulary.fit(TrainingTexts.of(*leaky), least_songs=1)
    weights = vocabulary.tf_idf(["love", "love", "night"])
    assert np.linalg.norm(weights) == pytest.approx(1)
    number = {w: k + 2 for k, w in enumerate(vocabulary.words)}
    # 'night' is in one of two songs: 1 + log(3 / 2); 'love', in both, is sung twice.
    ratio = (1 + np.log(2)) / (1 + np.log(1.5))
    assert weights[number["love"]] / weights[number["night"]] == pytest.approx(ratio, rel=1e-5)
    assert not vocabulary.tf_idf(["testword"]).any()


def test_a_vocabulary_is_read_as_it_was_written_and_a_damaged_one_is_one_line(leaky, tmp_path):
    vocabulary = Vocabulary.fit(TrainingTexts.of(*leaky), least_songs=1)
    path = tmp_path / "vocabulary.json"
    vocabulary.write(path)
    assert Vocabulary.read(path) == vocabulary
    assert Vocabulary.read(path).hash == vocabulary.hash
    body = json.loads(path.read_text())
    for damaged in ("no json", "{}", json.dumps({**body, "songs_with": []})):
        path.write_text(damaged)
        with pytest.raises(InputError, match=r"vocabulary\.json: no vocabulary"):
            Vocabulary.read(path)


def test_text_is_one_whatever_its_unicode_form_case_and_quotes():
    composed, decomposed = "Caf\u00e9 Don\u2019t", "CAFE\u0301 don't"
    assert tokens_of(composed) == tokens_of(decomposed) == ["caf\u00e9", "don't"]
    assert normalise("[Verse 1: Somebody]\nI\u200b know\x00") == "\ni know"
    assert tokens_of("\uff26\uff35\uff2c\uff2c") == ["full"]


def test_scripts_without_spaces_are_one_token_a_character():
    assert tokens_of("你好 世界") == ["你", "好", "世", "界"]
    assert tokens_of("привет, мир") == ["привет", ",", "мир"]
    assert len(words_of(Lyrics("สวัสดี"))) == 4  # vowel signs stay with their consonant


def test_language_is_what_the_collection_says_else_a_guess_else_unknown():
    assert language_of(Lyrics("привет мир", language="bg")) == "bg"
    english = "when the night has come and the land is dark I will not be afraid"
    assert language_of(Lyrics(english)) == "en"
    assert language_of(Lyrics("когда наступит ночь и земля потемнеет я не буду бояться")) == "ru"
    assert language_of(Lyrics("la la la")) == ""
    assert language_of(Lyrics()) == ""


def test_languages_are_counted():
    english = "when the night has come and the land is dark I will not be afraid"
    dataset = dataset_of(
        {"a": english, "b": Lyrics("ja", language="de"), "c": "la la", "d": None, "e": english}
    )
    assert language_lines(dataset) == ["lyrics by language: en 2, de 1, too short to tell 1"]
    assert language_lines(dataset_of({"d": None})) == []


def test_a_song_is_cut_in_segments_from_its_first_to_its_last_word():
    words = [str(k) for k in range(1000)]
    segments = segments_of(words, 7, 50)
    assert [len(s) for s in segments] == [50] * 7
    assert (segments[0][0], segments[-1][-1]) == ("0", "999")
    assert segments_of(words[:50]) == [words[:50]]
    assert segments_of([]) == []
    assert len(segments_of(words[:51], 7, 50)) == 2


def test_unusual_lyrics_are_used_as_documented_and_counted(tmp_path):
    (tmp_path / "empty.txt").write_text(" \n\t")
    (tmp_path / "one.txt").write_text("Help")
    (tmp_path / "long.txt").write_text("word " * 100_000)
    (tmp_path / "russian.txt").write_text("привет мир", encoding="utf-8")
    (tmp_path / "old.txt").write_bytes("caf\u00e9".encode("cp1252"))
    (tmp_path / "wide.txt").write_text("wide words", encoding="utf-16")
    (tmp_path / "binary.txt").write_bytes(b"\x00\x01\x02")
    (tmp_path / "timed.lrc").write_text("[ar:Somebody]\n[00:12.30]<00:12.30>love\n[00:14]you\n")
    findings = Findings()
    found = read_folder(tmp_path, findings)
    assert set(found) == {"one", "long", "russian", "old", "wide", "timed"}
    assert len(words_of(found["long"])) == MAX_WORDS
    assert tokens_of(found["timed"].text) == ["love", "you"]
    assert found["old"].text == "caf\u00e9"
    assert found["wide"].text == "wide words"
    counted = {line.split(":")[0]: n for line, n in findings.counts.items()}
    assert counted == {
        "lyrics that are empty (no lyrics)": 2,
        "lyrics that are no text (left out)": 1,
        "lyrics of one word": 2,
        f"lyrics over {MAX_WORDS:,} words (the first {MAX_WORDS:,} are used)": 1,
        "lyrics in another script than Latin": 1,
        "lyrics not in UTF-8 (read as Windows-1252)": 1,
    }
    vocabulary = Vocabulary(("love",), 1, (1,))
    for lyrics in (*found.values(), None, Lyrics("!?")):
        words = words_of(lyrics)
        assert np.isfinite(lyrics_features(lyrics, Lexicon(NORMS))).all()
        assert vocabulary.encode_segments(words).shape[1] == 50
        assert np.isfinite(vocabulary.tf_idf(words)).all()


def test_a_table_may_hold_a_lyric_of_100000_words_and_a_damaged_one_is_one_line(tmp_path):
    table = tmp_path / "lyrics.csv"
    table.write_text(f'id,lyrics\na,"{"word " * 100_000}"\nb,two words\n')
    findings = Findings()
    found = lyrics_from(table, ["id"], findings)
    assert len(found["a"].text.split()) == MAX_WORDS
    assert found["b"].text == "two words"
    table.write_text("id,text\na,b\n")
    with pytest.raises(InputError, match="no lyrics; expected a folder"):
        lyrics_from(table, ["id"], findings)
    table.write_text('id,lyrics\na," "\n')
    with pytest.raises(InputError, match="holds no lyrics"):
        lyrics_from(table, ["id"], findings)
    table.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(InputError, match=r"lyrics\.csv: no lyrics"):
        lyrics_from(table, ["id"], findings)


def feature(lyrics, name):
    return float(lyrics_features(lyrics, Lexicon(NORMS))[FEATURES.index(name)])


def test_features_follow_the_norms_of_the_words_that_are_known():
    assert feature(Lyrics("love and running"), "valence_mean") == pytest.approx(0.5)
    assert feature(Lyrics("love and running"), "known") == pytest.approx(2 / 3)
    assert feature(Lyrics("I do not love you"), "valence_mean") == pytest.approx(-0.9)
    assert feature(Lyrics("hate hate hate love"), "valence_last") == pytest.approx(0.9)
    assert feature(Lyrics("loves loved lovin' loving"), "known") == 1
    assert feature(Lyrics("я тебя"), "known") == 0
    assert feature(Lyrics("you\nyou\nme"), "repeated_lines") == pytest.approx(1 / 3)
    assert not lyrics_features(None, Lexicon(NORMS)).any()


def test_stems_of_a_bag_have_the_norms_of_their_words():
    bag = Lyrics(bag={"happi": 3, "hate": 1, "unknown": 1})
    assert words_of(bag) == ["happi"] * 3 + ["hate", "unknown"]
    assert feature(bag, "valence_mean") == pytest.approx((3 * 0.8 - 0.8) / 4)


def test_a_learned_lexicon_draws_rare_words_to_the_mean():
    dataset = dataset_of({"a": "glad the", "b": "glad the", "c": "sad the", "d": "rare the"})
    texts = TrainingTexts.of(dataset, split_of(train="abcd"))
    targets = {"x:a": 1.0, "x:b": 1.0, "x:c": -1.0, "x:d": -1.0}
    learned = learned_lexicon(texts, targets, least_songs=1, strength=2.0)
    assert learned["the"] == 0
    assert learned["glad"] == pytest.approx(2 / 4)
    assert learned["sad"] == pytest.approx(-1 / 3)
    assert "rare" not in learned_lexicon(texts, targets, least_songs=2)
    assert learned_lexicon(texts, {}) == {}


def test_norms_are_checked_and_null_is_a_word(tmp_path):
    path = tmp_path / "Ratings_Warriner_et_al.csv"
    head = ",Word,V.Mean.Sum,A.Mean.Sum,D.Mean.Sum\n"
    path.write_text(head + "1,null,5,9,1\n2,Polish,6,5,5\n3,polish,7,5,5\n")
    lexicon = Lexicon.read(tmp_path)
    assert lexicon.of_word("null").tolist() == [0, 1, -1]
    assert lexicon.of_word("polish").tolist() == [0.375, 0, 0]
    for row in ("1,word,0.5,5,5", "1,word,,5,5"):
        path.write_text(head + row + "\n")
        with pytest.raises(InputError, match=r"word: .*; expected three norms in 1\.\.9"):
            Lexicon.read(path)
