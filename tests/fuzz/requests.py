"""Requests that are wrong in one way or another, by hypothesis: JSON of all shapes, near misses, and plain noise."""

import json
from collections.abc import Mapping

from hypothesis import strategies as st

from plumbline.features import Features, columns

_TEXT = st.text(st.characters(), max_size=8)
"""Half surrogates among it: JSON's escapes can write them."""
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**30, max_value=10**40),
    st.floats(),
    _TEXT,
    st.sampled_from(
        ["2013-11-05T17:30:00", "2013-11-05T17:30:00Z", "0001-01-01", "9999-12-31T23:59:59.999999", "24:00"]
    ),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(_TEXT, st.integers(), max_size=2),
)
_JSON = st.recursive(_VALUES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4))


def bodies(features: Features) -> st.SearchStrategy[bytes]:
    """Bodies of requests to a model of these features; few of them are right."""
    names = st.sampled_from([*columns(features), "extra"])
    instances = st.lists(st.dictionaries(names, _VALUES, max_size=6) | _JSON, max_size=12)
    near = st.fixed_dictionaries(
        {"instances": instances}, optional={"parameters": _JSON | _parameters(), "labels": _JSON}
    )
    whole = (near | _JSON).map(_encoded)
    return st.one_of(whole, st.binary(max_size=200), st.builds(_cut, whole, st.integers(0, 400), st.binary(max_size=3)))


def headers() -> st.SearchStrategy[Mapping[str, str]]:
    """Headers of requests, most of them right."""
    kinds = ["application/json", "application/json", "application/json; charset=utf-8", "text/plain", "a", ";", "ü"]
    return st.fixed_dictionaries({}, optional={"content-type": st.sampled_from(kinds)})


def _parameters() -> st.SearchStrategy[Mapping[str, object]]:
    return st.fixed_dictionaries({}, optional={"explain": st.booleans() | _VALUES, "top": _VALUES})


def _encoded(content: object) -> bytes:
    # NaN and Infinity as Python writes them, which is not JSON.
    return json.dumps(content).encode()


def _cut(body: bytes, at: int, noise: bytes) -> bytes:
    at %= len(body) + 1
    return body[:at] + noise + body[at + len(noise) :]
