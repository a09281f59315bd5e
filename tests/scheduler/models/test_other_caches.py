"""Models of other programs' caches are found under the names that a person knows."""

import json
from pathlib import Path

from inline_snapshot import snapshot

from atos_scheduler.models import other_caches

WEIGHTS, IMAGE = "a" * 64, "b" * 64


def ollama(folder: Path, host: str, owner: str, name: str, tag: str, **digests: str) -> None:
    kinds = {
        "model": other_caches.OLLAMA_WEIGHTS,
        "template": "application/vnd.ollama.image.template",
    }
    layers = [{"mediaType": kinds[kind], "digest": digest} for kind, digest in digests.items()]
    manifest = folder / "manifests" / host / owner / name / tag
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"layers": layers}))
    for digest in digests.values():
        blob = folder / "blobs" / digest.replace(":", "-")
        if "/" not in digest:  # that one is an attack, and exists nowhere
            blob.parent.mkdir(exist_ok=True)
            blob.write_bytes(b"GGUF")


def test_ollamas_models_are_found_by_their_manifests(tmp_path: Path) -> None:
    here, there = f"sha256:{WEIGHTS}", f"sha256:{IMAGE}"
    ollama(tmp_path, "registry.ollama.ai", "library", "qwen2.5", "3b", model=here, template=there)
    ollama(tmp_path, "registry.ollama.ai", "someone", "theirs", "latest", model=here)
    ollama(tmp_path, "hf.co", "org", "repo", "Q4_K_M", model=here)
    ollama(tmp_path, "registry.ollama.ai", "library", "broken", "1b", model="sha256:../../etc")
    (tmp_path / "manifests/registry.ollama.ai/library/qwen2.5/junk").write_text("[1")
    found = other_caches.cached({"HOME": str(tmp_path), "OLLAMA_MODELS": str(tmp_path)})
    assert sorted(found) == snapshot(
        ["hf.co/org/repo:Q4_K_M", "qwen2.5:3b", "someone/theirs:latest"]
    )
    assert found["qwen2.5:3b"] == (tmp_path / "blobs" / f"sha256-{WEIGHTS}", WEIGHTS)


def test_the_files_of_hugging_face_are_named_by_their_stems(tmp_path: Path) -> None:
    repository = tmp_path / "models--org--repo-GGUF"
    snapshot_folder = repository / "snapshots" / "c0ffee"
    snapshot_folder.mkdir(parents=True)
    (repository / "blobs").mkdir()
    blob = repository / "blobs" / WEIGHTS
    blob.write_bytes(b"GGUF")
    (snapshot_folder / "tiny-q4_k_m.gguf").symlink_to(blob)
    for part in (1, 2):
        (snapshot_folder / f"big-0000{part}-of-00002.gguf").write_bytes(b"GGUF")
    (snapshot_folder / "mmproj-f16.gguf").write_bytes(b"GGUF")
    (snapshot_folder / "gone.gguf").symlink_to(repository / "blobs" / "missing")
    found = other_caches.cached({"HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path)})
    assert found == {
        "big-00001-of-00002": (snapshot_folder / "big-00001-of-00002.gguf", ""),
        "tiny-q4_k_m": (snapshot_folder / "tiny-q4_k_m.gguf", WEIGHTS),
    }
