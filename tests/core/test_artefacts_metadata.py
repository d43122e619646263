"""The outermost fields of a model, against the onnx package."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammer.inference.metadata import Malformed, body, metadata
from tests.core.tiny_model import tiny_model

DATA = tiny_model().SerializeToString()


def test_metadata_are_those_that_onnx_reads():
    model = tiny_model()
    model.metadata_props.add(key="zwei", value="größer")
    model.metadata_props.add(key="", value="")
    expected = [(p.key, p.value) for p in model.metadata_props]
    assert metadata(model.SerializeToString()) == expected


def test_the_body_is_the_model_without_metadata():
    model = tiny_model()
    del model.metadata_props[:]
    assert b"".join(body(DATA)) == model.SerializeToString()


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_called_malformed(data):
    try:
        parts = b"".join(body(data))
        metadata(data)
    except Malformed:
        return
    assert len(parts) <= len(data)


@pytest.mark.parametrize("cut", [1, 7, 100, len(DATA) // 2])
def test_a_truncated_model_is_malformed(cut):
    with pytest.raises(Malformed):
        metadata(DATA[:-cut])


def test_a_length_beyond_all_memory_is_malformed():
    with pytest.raises(Malformed, match="ends beyond the file"):
        metadata(b"\x3a" + b"\xff" * 8 + b"\x7f")


@pytest.mark.parametrize("data", [b"\x00\x01", b"\x0b", b"\x0f\x00"])
def test_a_tag_of_no_field_or_type_is_malformed(data):
    with pytest.raises(Malformed, match="byte 0 begins no field"):
        metadata(data)


def test_metadata_that_are_not_utf8_are_malformed():
    model = tiny_model()
    model.metadata_props.add(key="k", value="v")
    data = model.SerializeToString().replace(b"\x12\x01v", b"\x12\x01\xff")
    with pytest.raises(Malformed, match="UTF-8"):
        metadata(data)
