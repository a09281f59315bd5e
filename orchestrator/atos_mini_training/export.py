"""Writes a trained atos-mini as GGUF: ``python -m atos_mini_training.export DIR``.

DIR holds what `train` wrote; ``atos-mini.gguf`` (Q8_0) and ``atos-mini.gguf.sha256`` appear beside it.
"""
# pyright: basic, reportMissingImports=false
# (torch and gguf are extras of the trainer and have no complete type stubs)

import argparse
import hashlib
import json
from pathlib import Path

import gguf
import numpy as np
import torch

from atos_mini_training.network import Network, Shape
from atos_mini_training.tokens import SPECIAL
from atos_orchestrator.strategies.mini.dialect import CHAT_TEMPLATE

_Q8 = gguf.GGMLQuantizationType.Q8_0


def main(argv: list[str] | None = None) -> None:
    """Export the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    export(parser.parse_args(argv).folder)


def export(folder: Path, *, random_weights: bool = False) -> Path:
    """Write the GGUF and its checksum; `random_weights` makes the control that must fail every goal."""
    tokens, merges = _vocabulary(folder / "tokenizer.json")
    shape = Shape(vocabulary=len(tokens))
    network = Network(shape)
    if not random_weights:
        network.load_state_dict(torch.load(folder / "weights.pt", map_location="cpu"))
    path = folder / "atos-mini.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    _write_shape(writer, shape)
    _write_vocabulary(writer, tokens, merges)
    for name, parameter in network.state_dict().items():
        _write_tensor(writer, name, parameter.numpy().astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name("atos-mini.gguf.sha256").write_text(f"{digest}  {path.name}\n")
    return path


def _vocabulary(path: Path) -> tuple[list[str], list[str]]:
    model = json.loads(path.read_text())["model"]
    ordered = sorted(model["vocab"].items(), key=lambda item: item[1])
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in model["merges"]]
    return [token for token, _ in ordered], merges


def _write_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name("atos-mini")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.dim)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ff)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_freq_base(shape.theta)
    writer.add_rope_dimension_count(shape.head)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def _write_vocabulary(writer: gguf.GGUFWriter, tokens: list[str], merges: list[str]) -> None:
    kinds = gguf.TokenType
    text_end, turn_end = tokens.index(SPECIAL[0]), tokens.index(SPECIAL[2])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [int(kinds.CONTROL if token in SPECIAL else kinds.NORMAL) for token in tokens]
    )
    writer.add_token_merges(merges)
    writer.add_bos_token_id(text_end)
    writer.add_pad_token_id(text_end)
    writer.add_eos_token_id(turn_end)
    writer.add_eot_token_id(turn_end)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _write_tensor(writer: gguf.GGUFWriter, name: str, values: np.ndarray) -> None:
    if values.ndim == 1:  # norms stay in full precision
        writer.add_tensor(name, values)
    else:
        writer.add_tensor(name, gguf.quants.quantize(values, _Q8), raw_dtype=_Q8)


if __name__ == "__main__":
    main()
