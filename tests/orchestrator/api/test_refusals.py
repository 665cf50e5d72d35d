"""What must not get in: other files, bombs, bodies without end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from orchestrator.api.application import application
from orchestrator.api.asked import MAX_BODY
from orchestrator.api.told_of_devices import (
    BalancerStatus,
    Device,
    Explanation,
    Queue,
    SweepInBalance,
    UnderWay,
    Worker,
)
from orchestrator.backends.direct import Direct
from orchestrator.ledger import Ledger
from orchestrator.search_space.sweep import plan
from orchestrator.search_space.text_source import read_source
from orchestrator.settings import Settings
from tests.orchestrator.api.served import TOKEN, serving
from tests.orchestrator.balancer.answers.documentation import documented

MOVIE = (
    "name: real\nmetric: {{name: val_f1}}\nbase:\n  data.source: experimental\n  data.movie: {}\n  data.table: t.csv\n"
)
IMPORTABLE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("path", ["../secret.tif", "a/../../secret.tif", "/etc/passwd", "'..'", "a/.."])
@pytest.mark.parametrize("verb", ["plan", "sweeps"])
def test_a_path_that_leads_out_of_the_data_folder_is_refused_with_its_line(
    ledger: Ledger, client: httpx.Client, path: str, verb: str
) -> None:
    answer = client.post(f"/v1/{verb}", json={"name": "real.yaml", "text": MOVIE.format(path)})
    assert answer.status_code == 422
    (mistake,) = answer.json()["mistakes"]
    assert (mistake["line"], "expected a path inside the data folder" in mistake["message"]) == (5, True)
    assert answer.json()["error"].startswith("real.yaml:5:15: ")
    assert ledger.sweeps() == []


@pytest.mark.parametrize(
    "role", ["parameters:\n  data.movie: {values: [/etc/passwd, a.tif]}", "include: [{data.movie: /etc/passwd}]"]
)
def test_a_path_may_stand_nowhere_else_either(ledger: Ledger, client: httpx.Client, role: str) -> None:
    text = f"name: real\nmetric: {{name: val_f1}}\nbase: {{data.source: experimental, data.table: t.csv}}\n{role}\n"
    answer = client.post("/v1/plan", json={"text": text})
    assert (answer.status_code, "expected a path inside the data folder" in answer.json()["error"]) == (422, True)


def test_a_parent_network_must_be_in_the_data_folder_too(
    client: httpx.Client, settings: Settings, tmp_path: Path
) -> None:
    assert settings.data is not None
    (tmp_path / "secret.keras").write_text("secret")
    (settings.data / "link.keras").symlink_to(tmp_path / "secret.keras")
    text = "name: fine\nmetric: {{name: val_f1}}\nbase: {{training.init_from: {}}}\n"
    expected = {"/etc/passwd": "inside the data folder", "link.keras": "through a link", "none.keras": "does not exist"}
    for path, said in expected.items():
        answer = client.post("/v1/plan", json={"text": text.format(path)})
        assert (answer.status_code, said in answer.json()["error"]) == (422, True), answer.text
    assert client.post("/v1/plan", json={"text": text.format("runs:/0123abc")}).status_code == 200


def test_a_link_that_leads_out_of_the_data_folder_is_refused(
    ledger: Ledger, client: httpx.Client, settings: Settings, tmp_path: Path
) -> None:
    assert settings.data is not None
    (tmp_path / "secret.tif").write_text("secret")
    (settings.data / "link.tif").symlink_to(tmp_path / "secret.tif")
    (settings.data / "folder").symlink_to(tmp_path)
    for path in ("link.tif", "folder/secret.tif"):
        answer = client.post("/v1/plan", json={"text": MOVIE.format(path)})
        assert (answer.status_code, answer.json()["kind"]) == (422, "InputError")
        assert "leads out of the data folder through a link" in answer.json()["error"]


def test_a_movie_in_the_data_folder_is_looked_for_there(
    ledger: Ledger, client: httpx.Client, settings: Settings
) -> None:
    answer = client.post("/v1/plan", json={"text": MOVIE.format("sub/movie.tif")})
    assert (answer.status_code, answer.json()["kind"]) == (422, "InputError")
    assert f"{settings.data}/sub/movie.tif" in answer.json()["error"]


def test_a_movie_gives_the_same_runs_from_the_data_folder_as_from_anywhere_else(
    ledger: Ledger, client: httpx.Client, settings: Settings, tmp_path: Path
) -> None:
    assert settings.data is not None
    simulated = ["simulate", "movie.tif", "--frames", "40", "--size", "48", "--density", "0.5"]
    subprocess.run([sys.executable, "-m", "model", *simulated], cwd=tmp_path, env=IMPORTABLE, check=True)
    (settings.data / "wolf").mkdir()
    for name in ("movie.tif", "movie.csv"):
        shutil.copy(tmp_path / name, settings.data / "wolf" / name)
    text = MOVIE.format("wolf/movie.tif").replace("t.csv", "wolf/movie.csv")
    answer = client.post("/v1/sweeps", json={"text": text})
    assert (answer.status_code, answer.json()["new"]) == (200, 1), answer.text
    file = tmp_path / "space.yaml"
    file.write_text(text.replace("wolf/", ""))
    (there,) = ledger.runs("real")
    (here,) = plan(read_source(file)).runs
    assert here.run_id == there.run_id
    assert there.spec.config.data.movie == str(settings.data / "wolf" / "movie.tif")


def test_without_a_data_folder_no_movie_can_be_named(address: str, tmp_path: Path, ledger: Ledger) -> None:
    app = application(Direct(Settings(home=tmp_path, redis_url=address)), TOKEN)
    with serving(app) as url:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.post(f"{url}/v1/plan", headers=headers, json={"text": MOVIE.format("a.tif")})
    assert answer.status_code == 422
    assert [mistake["line"] for mistake in answer.json()["mistakes"]] == [5, 6]
    assert "set HDSMLM_DATA there" in answer.json()["error"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "more than 10,000 values"),
        ("a: " + "[" * 5000, "nested more than"),
        ("a: " + "x" * 9000, "has 9,003 characters"),
        ("µ" * 100_000, "the file has 200,000 bytes"),
        ('name: "a\\0b"', "the character U+0000 is not allowed"),
        ('name: "\\ud800"', "the character U+D800 is not allowed"),
        ("name: !!python/object/apply:os.system [ls]", "is not supported"),
        (" \n", "the file is empty"),
    ],
)
def test_hostile_texts_are_refused_in_words(ledger: Ledger, client: httpx.Client, text: str, words: str) -> None:
    answer = client.post("/v1/plan", json={"text": text})
    assert (answer.status_code, answer.json()["kind"]) == (422, "SearchSpaceError")
    assert words in answer.json()["error"]


@pytest.mark.parametrize(
    "body", [b'{"text": "\\ud800"}', b'{"text": 1}', b"[]", b"null", b"{", b"\xff", b'{"txet": "a"}']
)
def test_a_body_of_another_shape_is_refused_and_not_repeated(ledger: Ledger, client: httpx.Client, body: bytes) -> None:
    answer = client.post("/v1/plan", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert {"error", "kind"} == answer.json().keys()


def test_a_body_that_is_too_long_is_not_read(ledger: Ledger, client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(3 * MAX_BODY // 1024):
            yield b"x" * 1024

    assert client.post("/v1/plan", content=b"x" * (MAX_BODY + 1)).status_code == 413
    assert client.post("/v1/plan", content=endless()).status_code == 413


def test_a_mistake_in_the_api_itself_is_told_without_a_traceback(app: FastAPI, ledger: Ledger) -> None:
    ledger.redis.set("hdsmlm:balancer", "no JSON")
    with serving(app) as url:
        answer = httpx.get(f"{url}/v1/balancer", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, answer.json()["kind"]) == (500, "OrchestratorError")
    assert "Traceback" not in answer.text
    assert "no JSON" not in answer.text


@pytest.mark.parametrize("attempt", ["../../../secret", "", "token/../token", "\0"])
def test_a_log_is_read_by_the_run_and_not_by_a_path(
    inhabited: Ledger, client: httpx.Client, settings: Settings, attempt: str
) -> None:
    (settings.home / "secret.log").write_text("secret")
    said = client.get("/v1/runs/3fa9c1/log", params={"attempt": attempt, "position": 3}).json()
    assert (said["text"], said["attempt"], said["position"]) == ("epoch 1/3\nloss 0.5 µ\n", "token", 22)


@pytest.mark.parametrize(
    ("model", "section"),
    [
        (BalancerStatus, "status"),
        (Device, "status: devices"),
        (Worker, "status: workers"),
        (SweepInBalance, "status: sweeps"),
        (Explanation, "explain"),
        (Queue, "explain: queue"),
        (UnderWay, "explain: under_way"),
    ],
)
def test_the_schema_has_the_keys_that_are_documented(model: type[Device], section: str) -> None:
    assert set(model.model_fields) == documented(section)
