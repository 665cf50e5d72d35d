"""Where a network is found by name: a file, MLflow's registry or one of its runs, or what ships with this program.

The one module of this package that imports MLflow, and only when a name asks for it.
"""

from __future__ import annotations

import os
from pathlib import Path

from model.config import MODEL_FILE
from model.errors import InputError

CHAMPION = Path(__file__).parent / "champion"
"""Folder of the network that ships."""


def find_network(reference: str | None) -> Path:
    """The `.keras` file that a reference names.

    Args:
        reference: a path; `models:/NAME@ALIAS` or `models:/NAME/VERSION`; `runs:/ID` or `runs:/ID/PATH` (`run:/` too);
            or None for the champion that ships.

    Raises:
        InputError: there is none, or MLflow does not answer.
    """
    if reference is None:
        return _champion()
    if reference.startswith(("models:/", "runs:/", "run:/")):
        return _download(reference)
    path = Path(reference)
    if not path.is_file():
        raise InputError(f"there is no network {path}; give a .keras file, models:/NAME@ALIAS or runs:/ID")
    return path


def _champion() -> Path:
    found = sorted(CHAMPION.glob("*.keras"))
    if not found:
        raise InputError(
            f"no champion ships with this installation ({CHAMPION} holds no .keras file); "
            "name a network with --model: a .keras file, models:/NAME@ALIAS or runs:/ID"
        )
    return found[-1]


def _download(reference: str) -> Path:
    if "MLFLOW_TRACKING_URI" not in os.environ:
        raise InputError(
            f"{reference} is a name of MLflow's, but MLFLOW_TRACKING_URI is not set; set it to the server's address, "
            "such as http://127.0.0.1:5000"
        )
    import mlflow

    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    try:
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=_artifact(reference)))
    except Exception as error:
        known = getattr(error, "error_code", "") in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
        what = f"MLflow has no {reference}" if known else f"{reference} cannot be fetched from MLflow"
        raise InputError(
            f"{what} ({str(error).splitlines()[0]}); "
            "check the name, and that MLFLOW_TRACKING_URI points to the server that has it"
        ) from error
    found = [folder] if folder.is_file() else sorted(folder.rglob("*.keras"))
    if not found:
        raise InputError(f"{reference} holds no .keras file; name a model or a run of this project")
    return found[0]


def _artifact(reference: str) -> str:
    """The URI to download: of a run without a path its network."""
    scheme, _, rest = reference.partition(":/")
    if scheme == "models":
        return reference
    run, _, path = rest.strip("/").partition("/")
    return f"runs:/{run}/{path or MODEL_FILE}"
