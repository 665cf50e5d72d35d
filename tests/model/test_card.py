"""The card travels inside the network's file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from model.card import MEMBER, Card, load_network, write_card
from model.config import ModelConfig
from model.domain import TRAITS, Domain
from model.errors import InputError
from model.prediction.windows import Reading
from model.registry import find_network
from model.unet import build_unet

DOMAIN = Domain(np.random.default_rng(0).normal(0, 1, (25, len(TRAITS))))
CARD = Card(Reading(3, "hard", 4, 1000), 20.0, 99.0, 0.65, 100.0, 0.31, DOMAIN)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return build_unet(ModelConfig(depth=1, base_filters=2, convolutions_per_block=1), [0.7, 0.2, 0.07, 0.03])


@pytest.fixture
def file(network: keras.Model, tmp_path: Path) -> Path:
    network.save(tmp_path / "network.keras")
    return tmp_path / "network.keras"


def test_network_and_card_come_back_as_they_were_stored(network: keras.Model, file: Path) -> None:
    write_card(file, CARD._replace(threshold=0.2))
    write_card(file, CARD)
    loaded, card = load_network(file)
    assert card._replace(domain=None) == CARD._replace(domain=None)
    assert card.domain is not None
    np.testing.assert_allclose(card.domain.movies, DOMAIN.movies, rtol=1e-5)
    assert card.domain.limit == pytest.approx(DOMAIN.limit, rel=1e-4)
    x = np.random.default_rng(1).normal(0, 1, (1, 3, 8, 8, 1))
    np.testing.assert_array_equal(loaded.predict_on_batch(x), network.predict_on_batch(x))
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist().count(MEMBER) == 1
    assert list(file.parent.iterdir()) == [file]


def test_keras_reads_a_file_with_a_card_as_it_would_without(file: Path) -> None:
    write_card(file, CARD._replace(domain=None))
    assert keras.saving.load_model(file).output_shape[-1] == 4


def test_a_network_without_a_card_is_refused(file: Path) -> None:
    with pytest.raises(InputError, match=r"has no card.json"):
        load_network(file)


def test_a_card_of_another_version_is_refused(file: Path) -> None:
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(MEMBER, '{"reading": {"frames": 3, "clip": "hard"}, "mood": "good"}')
    with pytest.raises(InputError, match="cannot be understood"):
        load_network(file)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_what_is_no_network_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.keras"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a network"):
        load_network(path)


def test_a_path_is_found_as_it_is_and_a_missing_one_refused(file: Path, tmp_path: Path) -> None:
    assert find_network(str(file)) == file
    with pytest.raises(InputError, match=r"there is no network .*absent.keras; give"):
        find_network(str(tmp_path / "absent.keras"))


def test_the_network_that_ships_is_found_without_a_name(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.registry.CHAMPION", tmp_path)
    assert find_network(None) == file
    file.unlink()
    with pytest.raises(InputError, match="no champion ships"):
        find_network(None)
