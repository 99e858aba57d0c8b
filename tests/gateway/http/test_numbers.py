"""What is written quickly reads as what json writes."""

import json

import numpy as np

from gateway.http.numbers import NumbersResponse


def test_every_number_of_32_bits_comes_back_to_the_bit() -> None:
    bits = np.random.default_rng(1).integers(0, 2**32, 20_000, dtype=np.uint32)
    numbers = bits.view(np.float32)
    numbers = numbers[np.isfinite(numbers)]
    read = json.loads(NumbersResponse(numbers.astype(float).tolist()).body)
    np.testing.assert_array_equal(np.array(read, np.float32).view(np.uint32), numbers.view(np.uint32))


def test_texts_and_nothing_are_written_as_json_writes_them() -> None:
    document = {"text": 'Žluťoučký "kůň" 🐎\n', "nothing": None, "yes": True, "large": 2**63, "small": 5e-324}
    answer = NumbersResponse(document)
    assert json.loads(answer.body) == document
    assert (answer.headers["content-type"], len(answer.body)) == (
        "application/json",
        int(answer.headers["content-length"]),
    )
