"""Metadata properties attached to a model, against the onnx package."""

import json

import onnx
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.export.metadata import with_metadata
from streammer.inference.metadata import body, metadata
from tests.core.tiny_model import tiny_model

DATA = tiny_model().SerializeToString()


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.dictionaries(st.text(max_size=20), st.text(max_size=400), max_size=4))
def test_metadata_are_replaced_and_nothing_else(properties):
    data = with_metadata(DATA, properties)
    model = onnx.load_model_from_string(data)
    assert {p.key: p.value for p in model.metadata_props} == properties
    assert list(body(data)) == list(body(DATA))
    assert dict(metadata(data)) == properties


def test_metadata_larger_than_a_byte_of_length_survive():
    text = json.dumps({"x": "y" * 70_000})
    assert metadata(with_metadata(DATA, {"k": text})) == [("k", text)]
