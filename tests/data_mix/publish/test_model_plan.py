"""Publishing a trained model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data_mix.errors import DataMixError, PublishError
from data_mix.publish.model_plan import is_model, plan_model
from data_mix.publish.remote import Remote
from data_mix.publish.sending import publish
from hub_server import HubServer
from publishing import CANARY

REPO = "owner/model"
HEADER = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'


def weights(number: int = 0) -> bytes:
    """A small file of safetensors."""
    return len(HEADER).to_bytes(8, "little") + HEADER + bytes([number] * 8)


def model(folder: Path, licence: str | None = "apache-2.0", **sources: str) -> Path:
    """A model's folder as the trainer leaves it, with a card; `sources` are the licences of what it was trained on."""
    for name in ("checkpoint-2", "global_step2", "logs"):
        (folder / name).mkdir(parents=True)
        (folder / name / "optimizer.pt").write_bytes(b"state")
        (folder / name / "model.safetensors").write_bytes(weights(9))
    training: dict[str, Any] = {"sources": {name: {"licence": each} for name, each in sources.items()}}
    files = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": weights(), "optimizer.pt": b"state"}
    files |= {"training.json": json.dumps(training).encode(), "chat_template.jinja": b"{{ x }}", "trainer_state.json": b"{}"}
    if licence is not None:
        files["README.md"] = f"---\nlicense: {licence}\n---\n# A model\n".encode()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def send(folder: Path, **options: Any) -> None:
    """Publish a model."""
    publish(plan_model(folder, REPO), Remote(REPO, "model", CANARY, backoff=0), public=options.get("public", False))


def files_of(hub: HubServer) -> dict[str, bytes]:
    """The files of the model's repository, but for the one that the hub puts there."""
    repo = hub.storage.find(REPO, "models")
    assert repo is not None
    return {path: file.local.read_bytes() for path, file in repo.files().items() if path != ".gitattributes"}


def test_a_model_is_published_without_its_training(hub: HubServer, tmp_path: Path) -> None:
    """Weights, configuration, tokenizer and card go into a private model repository; no state of training does."""
    folder = model(tmp_path / "model")
    assert is_model(folder)
    send(folder)
    names = {"README.md", "chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json"}
    assert files_of(hub) == {name: (folder / name).read_bytes() for name in names}
    repo = hub.storage.find(REPO, "models")
    assert repo is not None
    assert repo.private


def test_another_model_takes_the_place_of_the_first(hub: HubServer, tmp_path: Path) -> None:
    """Weights that the new one does not have are removed, and files of others stay."""
    folder = model(tmp_path / "model")
    for number in (1, 2):
        (folder / f"model-0000{number}-of-00002.safetensors").write_bytes(weights(number))
    send(folder)
    repo, blobs = hub.storage.find(REPO, "models"), hub.storage.blobs
    assert repo is not None
    repo.commit("main", repo.files() | {"model.gguf": blobs.file("model.gguf", blobs.put(b"quantised"))})
    send(model(tmp_path / "second"))
    assert [name for name in files_of(hub) if name.endswith((".safetensors", ".gguf"))] == ["model.gguf", "model.safetensors"]


def test_data_that_must_not_be_passed_on_keep_a_model_private(hub: HubServer, tmp_path: Path) -> None:
    """The licences of what a model was trained on stop a public repository, by name, and let it into a private one."""
    folder = model(tmp_path / "model", ted="CC-BY-NC-ND-4.0", fine="MIT")
    with pytest.raises(PublishError, match=r"must not be public: ted \(CC-BY-NC-ND-4\.0\) forbids changed copies"):
        send(folder, public=True)
    send(folder)


@pytest.mark.parametrize("licence", [None, "unknown", "other", ""])
def test_a_card_must_name_a_licence(tmp_path: Path, licence: str | None) -> None:
    """A model without a card, or one whose card names no licence that is known, is refused."""
    with pytest.raises(PublishError, match=r"has no README\.md|names no licence that is known"):
        plan_model(model(tmp_path / "model", licence), REPO)


def test_a_licence_may_have_a_name_of_its_own(tmp_path: Path) -> None:
    """`other` will do where license_name says which."""
    assert plan_model(model(tmp_path / "model", "other\nlicense_name: bigscience-rail"), REPO).files


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("model.safetensors", None),
        ("model.safetensors", weights()[:20]),
        ("model.safetensors", b""),
        ("model.safetensors.index.json", b'{"weight_map": {"w": "model-00001-of-00002.safetensors"}}'),
        ("model.safetensors.index.json", b"{"),
    ],
)
def test_a_model_that_is_not_whole_is_refused(tmp_path: Path, name: str, data: bytes | None) -> None:
    """Weights that are missing, cut short or not there that the index names are an error in one line."""
    folder = model(tmp_path / "model")
    (folder / name).unlink(missing_ok=True)
    if data is not None:
        (folder / name).write_bytes(data)
    with pytest.raises(DataMixError, match="copy the folder whole"):
        plan_model(folder, REPO)
