from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hpt_ray.core.identity import canonical, content_id, derived_seed, file_hash, stream
from hpt_ray.spec.policy import Policy

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
contents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def shuffled(value: object, generator: np.random.Generator) -> object:
    """The same content with the keys of every dict in another order."""
    if isinstance(value, dict):
        keys = list(value)
        return {keys[i]: shuffled(value[keys[i]], generator) for i in generator.permutation(len(keys))}
    if isinstance(value, list):
        return [shuffled(item, generator) for item in value]
    return value


@given(contents, st.integers(0, 2**32 - 1))
def test_canonical_json_reads_back_and_ignores_the_order_of_keys(value, seed):
    assert json.loads(canonical(value)) == value
    assert canonical(shuffled(value, np.random.default_rng(seed))) == canonical(value)


def test_canonical_json_keeps_the_order_of_lists_and_reads_models():
    assert canonical([1, 2]) != canonical([2, 1])
    assert canonical(Policy()) == canonical(Policy().model_dump(mode="json"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": {"b": -float("inf")}}])
def test_numbers_that_json_lacks_are_refused(value):
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical(value)


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", {"a": np.float32(1)}])
def test_content_without_a_canonical_form_is_refused(value):
    with pytest.raises(TypeError, match="no canonical form"):
        canonical(value)


def test_an_id_is_the_sha256_of_the_canonical_json():
    assert content_id({"b": 1, "a": [True, None]}) == hashlib.sha256(b'{"a":[true,null],"b":1}').hexdigest()[:16]
    assert len(content_id("x", 12)) == 12


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_ids_and_draws_are_the_same_in_every_process(hash_seed):
    code = (
        "from hpt_ray.core.identity import *; from hpt_ray.spec.policy import Policy;"
        "print(content_id({'policy': Policy(), 'roles': sorted({'b', 'a'})}), derived_seed(3, 'init', 1))"
    )
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == [
        content_id({"policy": Policy(), "roles": ["a", "b"]}),
        str(derived_seed(3, "init", 1)),
    ]


def test_a_draw_does_not_depend_on_what_was_drawn_before_it():
    alone = stream(5, "augment", 7, 1).random(4)
    other = stream(5, "augment", 6, 1)
    other.random(1000)
    np.random.default_rng(0).random(10)
    assert np.array_equal(stream(5, "augment", 7, 1).random(4), alone)


def test_every_part_of_a_streams_name_counts():
    named = [(5, "a"), (6, "a"), (5, "b"), (5, "a", 0), (5, "a", 1), (5, "a", 0, 0), (5, "a", 1, 0), (5, "a", 10)]
    draws = {tuple(stream(*name).integers(0, 2**63, 2).tolist()) for name in named}
    assert len(draws) == len(named)


def test_neighbouring_streams_are_uncorrelated_and_uniform():
    draws = np.stack([stream(0, "augment", iteration).random(2000) for iteration in range(30)])
    correlation = np.corrcoef(draws)[np.triu_indices(30, 1)]
    # 435 correlations of independent draws: standard deviation 1 / sqrt(2000), the largest below five of them.
    assert np.abs(correlation).max() < 5 / np.sqrt(2000)
    assert stats.kstest(draws[:, 0], "uniform").pvalue > 1e-3
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 1e-3


def test_a_derived_seed_fits_a_signed_64_bit_integer():
    seeds = {derived_seed(seed, "init") for seed in range(200)}
    assert len(seeds) == 200
    assert min(seeds) >= 0
    assert max(seeds) < 2**63


def test_a_files_hash_is_of_its_bytes(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"abc")
    assert file_hash(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
