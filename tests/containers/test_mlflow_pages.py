"""MLflow's pages in a real browser: the parent of a sweep, its children, and the pictures of a run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.containers.installation import Installation
from worker.spec import TAG_PARENT

_RENDERED_WITHIN_MS = 20_000


@pytest.fixture(scope="module")
def browser() -> str:
    """Headless Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        assert not os.environ.get("HDSMLM_TEST_BROWSER"), "no Chromium is on the PATH"
        pytest.skip("no Chromium is on the PATH")
    return found


def page(browser: str, url: str, profile: Path) -> str:
    """The page as it stands when its scripts have run."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    wait = [f"--virtual-time-budget={_RENDERED_WITHIN_MS}", "--window-size=1600,1400"]
    command = [browser, *options, *wait, "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_a_sweep_shows_its_parent_its_children_and_their_pictures(
    installation: Installation, browser: str, finished: Path, tmp_path: Path
) -> None:
    sweep = finished.stem
    experiment = installation.redis("HGET", f"hdsmlm:sweep:{sweep}", "experiment_id")
    found = installation.experiments._search(experiment, "")
    parents = [run for run in found if TAG_PARENT in {tag["key"] for tag in run["data"]["tags"]}]
    children = [run for run in found if run not in parents]
    address = f"{installation.experiments.url}/#/experiments/{experiment}"

    listed = page(browser, f"{address}/runs", tmp_path)
    assert len(parents) == 1
    assert sweep in listed

    of_parent = page(browser, f"{address}/runs/{parents[0]['info']['run_id']}", tmp_path)
    assert any(run["info"]["run_name"] in of_parent for run in children)

    for picture in ("learning_curve.png", "prediction.png"):
        place = f"{address}/runs/{children[0]['info']['run_id']}/artifacts/figures/{picture}"
        assert f'<img alt="figures/{picture}" src="blob:' in page(browser, place, tmp_path)
