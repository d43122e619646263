"""What is found in folders: links are followed, and what cannot be used is named."""

import os
from pathlib import Path

import pytest

from streammer.errors import InputError
from streammer.labelling.files import find_audio


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def names(found, top):
    return [str(path.relative_to(top)) for path in found.files]


def test_audio_is_found_by_suffix_in_order_each_once(tmp_path):
    for name in ("b.mp3", "a.mpga", "A.FLAC", "sub/c.wav", "cover.jpg", "notes"):
        touch(tmp_path / name)
    found = find_audio([tmp_path, tmp_path / "b.mp3", tmp_path])
    assert names(found, tmp_path) == ["A.FLAC", "a.mpga", "b.mp3", "sub/c.wav"]
    assert (found.unusable, found.count) == ([], 4)


def test_a_linked_album_is_followed(tmp_path):
    touch(tmp_path / "elsewhere" / "1.mp3")
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "album").symlink_to(tmp_path / "elsewhere")
    found = find_audio([tmp_path / "music"])
    assert names(found, tmp_path) == ["music/album/1.mp3"]


def test_links_in_a_circle_end_and_no_folder_is_taken_twice(tmp_path):
    touch(tmp_path / "album" / "1.mp3")
    (tmp_path / "a_link").symlink_to(tmp_path / "album")  # sorted before where it leads
    (tmp_path / "album" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    found = find_audio([tmp_path])
    assert names(found, tmp_path) == ["album/1.mp3"]
    assert [Path(result.path).name for result in found.unusable] == ["self"]


@pytest.mark.parametrize("name", ["gone.wav", "album"])
def test_a_link_that_leads_nowhere_is_named_with_where_it_leads(tmp_path, name):
    touch(tmp_path / "1.mp3")
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    (tmp_path / "cover.jpg").symlink_to(tmp_path / "nowhere.jpg")  # never was music
    (unusable,) = find_audio([tmp_path]).unusable
    assert unusable.complaint == (
        f"skipped: {tmp_path / name}: leads to {tmp_path / 'nowhere'}, which cannot be read "
        "(No such file or directory)"
    )


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path / "1.mp3")
    touch(tmp_path / "private" / "2.mp3")
    scandir = os.scandir

    def refuse(path):  # root, who may run the tests, reads any folder
        if Path(path).name == "private":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = find_audio([tmp_path])
    assert names(found, tmp_path) == ["1.mp3"]
    (unusable,) = found.unusable
    assert unusable.complaint == (
        f"skipped: {tmp_path / 'private'}: cannot be read (Permission denied)"
    )
    assert found.count == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_that_is_called_audio_is_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "1.wav")
    (unusable,) = find_audio([tmp_path]).unusable
    assert "is no file" in unusable.error


def test_a_folder_without_audio_is_refused(tmp_path):
    touch(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="holds no audio file"):
        find_audio([tmp_path])
