"""Reading what comes with packages: pickled arrays that must run nothing, and word lists."""

from __future__ import annotations

import gzip
import os
import pickle

import numpy as np
import pytest

from taujp.data import WordTokenizer
from taujp.data.pickled_array import read_pickled_array


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def written(path, value):
    path.write_bytes(gzip.compress(pickle.dumps(value)))
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_a_pickled_array_comes_back(tmp_path, dtype):
    array = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    assert np.array_equal(read_pickled_array(written(tmp_path / "a.gz", array)), array)


def test_numpy_1_names_are_understood(tmp_path):
    content = pickle.dumps(np.arange(3), protocol=3).replace(b"numpy._core", b"numpy.core")
    (tmp_path / "a.gz").write_bytes(gzip.compress(content))
    assert np.array_equal(read_pickled_array(tmp_path / "a.gz"), np.arange(3))


def test_code_in_a_pickle_is_named_and_does_not_run(tmp_path):
    path = written(tmp_path / "a.gz", Attack(tmp_path / "made"))
    with pytest.raises(ValueError, match=r"mkdir"):
        read_pickled_array(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("value", [[1, 2], np.array([None, {}], dtype=object)])
def test_what_is_no_array_of_numbers_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match="array of numbers"):
        read_pickled_array(written(tmp_path / "a.gz", value))


def test_tokens_are_words_the_end_and_padding():
    tokenizer = WordTokenizer(("t", "shirt", "bold"), context_length=6)
    end = tokenizer.vocabulary_size - 1
    assert tokenizer("Bold T-shirt")[0].tolist() == [4, 2, 3, end, 0, 0]
    assert tokenizer(["unheard of"])[0].tolist() == [1, 1, end, 0, 0, 0]
    assert tokenizer([]).shape == (0, 6)


def test_a_long_text_is_cut_before_the_end():
    tokenizer = WordTokenizer(("a",), context_length=4)
    assert tokenizer("a a a a a a")[0].tolist() == [2, 2, 2, tokenizer.vocabulary_size - 1]
