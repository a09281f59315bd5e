"""GGUF files made at test time: real files for the real engine, in hundredths of a second.

Random weights prove plumbing (load, memory, grammar, cancel), never quality. Scripted weights make
the real engine return one exact reply whatever it is asked: a bigram chain in the output matrix.
"""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float32]]

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


@dataclass(frozen=True)
class Shape:
    """A small llama; the default has 0.11 million parameters."""

    dim: int = 64
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    ff: int = 176
    context: int = 4096


TINY = Shape()
SMALL = Shape(dim=384, layers=6, heads=6, kv_heads=2, ff=1032)
"""10 million parameters: slow enough to be cancelled or killed half-way."""


def write_random(path: Path, shape: Shape = TINY, seed: int = 0, template: str = CHATML) -> Path:
    """Write a model of random weights over a byte vocabulary; at temperature 0 it never ends."""
    alphabet = _byte_alphabet()
    tokens = [*alphabet, alphabet[32] * 2, *SPECIAL]
    rng = np.random.default_rng(seed)
    weights: Weights = {
        name: rng.standard_normal(size, dtype=np.float32) * np.float32(0.02)
        for name, size in _matrices(shape, len(tokens)).items()
    }
    weights |= {name: np.ones(shape.dim, np.float32) for name in _norms(shape)}
    weights["token_embd.weight"][tokens.index("<|im_end|>")] = 0.0  # a logit of 0 is never the best
    return _write(path, shape, tokens, weights, "atos-random", template)


def write_scripted(path: Path, reply: str) -> Path:
    """Write a model that answers every chat with exactly this reply."""
    alphabet = _byte_alphabet()
    pieces = _unique_pieces(reply, alphabet)
    tokens = [*alphabet, *pieces, alphabet[32] * 2, *SPECIAL]
    dim = (len(tokens) + 63) // 64 * 64
    shape = Shape(dim=dim, layers=1, heads=dim // 64, kv_heads=1, ff=64, context=2048)
    sizes = _matrices(shape, len(tokens))
    weights: Weights = {name: np.zeros(size, np.float32) for name, size in sizes.items()}
    weights |= {name: np.ones(dim, np.float32) for name in _norms(shape)}
    one_hot = np.arange(len(tokens))
    weights["token_embd.weight"][one_hot, one_hot] = 1.0
    output = np.zeros((len(tokens), dim), np.float32)
    newline = alphabet.index(alphabet[10])  # the generation prompt ends with it
    chain = [newline, *range(256, 256 + len(pieces)), tokens.index("<|im_end|>")]
    for previous, following in itertools.pairwise(chain):
        # RMSNorm scales a one-hot row to sqrt(dim): this gives the next token a logit of 40
        output[following, previous] = 40.0 / np.sqrt(dim)
    weights["output.weight"] = output
    return _write(path, shape, tokens, weights, "atos-scripted")


def _byte_alphabet() -> list[str]:
    """Return GPT-2's 256 printable stand-ins for bytes, in byte order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    stand_ins = {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}
    return [stand_ins[b] for b in range(256)]


def _unique_pieces(reply: str, alphabet: list[str]) -> list[str]:
    """Cut a reply into chunks no two of which are equal, so that each can be one token."""
    seen = set(alphabet)
    matches = (match.group() for match in re.finditer(r"\s*\S+|\s+$", reply))
    words = ["".join(alphabet[b] for b in word.encode()) for word in matches]
    found: list[str] = []
    words.reverse()
    while words:
        piece = words.pop()
        while piece in seen and words:
            piece += words.pop()
        while piece in seen:
            piece = found.pop() + piece
        seen.add(piece)
        found.append(piece)
    return found


def _matrices(shape: Shape, vocabulary: int) -> dict[str, tuple[int, int]]:
    head = shape.dim // shape.heads
    found = {"token_embd.weight": (vocabulary, shape.dim)}
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        found |= {
            block + "attn_q.weight": (shape.dim, shape.dim),
            block + "attn_k.weight": (shape.kv_heads * head, shape.dim),
            block + "attn_v.weight": (shape.kv_heads * head, shape.dim),
            block + "attn_output.weight": (shape.dim, shape.dim),
            block + "ffn_gate.weight": (shape.ff, shape.dim),
            block + "ffn_up.weight": (shape.ff, shape.dim),
            block + "ffn_down.weight": (shape.dim, shape.ff),
        }
    return found


def _norms(shape: Shape) -> list[str]:
    blocks = [f"blk.{i}.{n}_norm.weight" for i in range(shape.layers) for n in ("attn", "ffn")]
    return ["output_norm.weight", *blocks]


def _write(
    path: Path,
    shape: Shape,
    tokens: list[str],
    weights: Weights,
    name: str,
    template: str = CHATML,
) -> Path:
    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.dim)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ff)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(shape.dim // shape.heads)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(1)
    _write_tokenizer(writer, tokens)
    if template:
        writer.add_chat_template(template)
    for tensor, array in weights.items():
        writer.add_tensor(tensor, array if array.ndim == 1 else array.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_tokenizer(writer: Any, tokens: list[str]) -> None:
    blank = _byte_alphabet()[32]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    kinds = [gguf.TokenType.CONTROL if t in SPECIAL else gguf.TokenType.NORMAL for t in tokens]
    writer.add_token_types([int(kind) for kind in kinds])
    writer.add_token_merges([f"{blank} {blank}"])  # llama.cpp wants at least one
    end_of_text, end_of_turn = tokens.index("<|endoftext|>"), tokens.index("<|im_end|>")
    writer.add_bos_token_id(end_of_text)
    writer.add_eos_token_id(end_of_turn)
    writer.add_pad_token_id(end_of_text)
    writer.add_eot_token_id(end_of_turn)
    writer.add_add_bos_token(False)
