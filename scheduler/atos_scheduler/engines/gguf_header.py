"""The header of a GGUF file, read without loading a tensor.

The file may be junk or hostile: every count and length is bounded before anything is allocated, and
arrays (a vocabulary has 150,000 strings) are skipped. Layout: `docs/gguf.md` of the ggml project.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from atos_protocol.errors import LoadFailedError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_PAIRS = 4_096
MAX_TENSORS = 100_000
MAX_NAME = 65_535
MAX_STRING = 4 << 20
"""Bytes of one string; chat templates are some 10 kB."""
MAX_ITEMS = 16 << 20
MAX_HEADER = 256 << 20
"""Bytes read before the reader gives up on a file."""

BLOCK = 1 << 20
LENGTH = struct.Struct("<Q")
TEMPLATE = "tokenizer.chat_template"
STRING, ARRAY = 8, 9
SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
QUANTISATIONS = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 25: "IQ4_NL", 30: "IQ4_XS", 32: "BF16",
}  # fmt: skip

FULL_LAYER = {"gemma2": 2, "gemma3": 6, "cohere2": 4, "gpt-oss": 2}
"""Architecture -> every how manyth layer sees the whole context; the others a window."""
WINDOW_MARGIN = 256
"""Tokens of a batch that a window's cache holds beside the window."""

Value = int | float | bool | str


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What estimates and listings need of a header; 0 or "" where it is missing."""

    size: int
    """Bytes of the file."""
    architecture: str
    quantisation: str
    parameters: int
    context: int
    """Tokens that the model was trained for."""
    embedding: int
    layers: int
    heads: int
    kv_heads: int
    key_length: int
    """Elements of one head's key; likewise the value's below."""
    value_length: int
    window: int = 0
    """Tokens that layers with a sliding window see; 0 where all see everything."""
    tokens: int = 0
    """Of the vocabulary; and the merges of its tokenizer."""
    merges: int = 0
    chat_template: bool = True
    """Whether it says how to write a conversation: a base model does not."""

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of one token's keys and values, as 16-bit elements, in all layers that see everything."""
        return (self.layers - self._windowed) * self._layer

    @property
    def kv_bytes_window(self) -> int:
        """Bytes of one slot's keys and values in layers with a sliding window, at any context."""
        return self._windowed * (self.window + WINDOW_MARGIN) * self._layer

    @property
    def _layer(self) -> int:
        return 2 * self.kv_heads * (self.key_length + self.value_length)

    @property
    def _windowed(self) -> int:
        """Layers with a sliding window; llama.cpp knows by the architecture which ones have it."""
        every = FULL_LAYER.get(self.architecture, 0) if self.window else 0
        return self.layers - self.layers // every if every else 0

    def details(self) -> dict[str, Any]:
        """Return Ollama's `details`, and beside them what an estimate of memory needs."""
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.architecture,
            "families": [self.architecture],
            "parameter_size": _short_count(self.parameters),
            "quantization_level": self.quantisation,
            "context_length": self.context,
            "embedding_length": self.embedding,
            "block_count": self.layers,
            "head_count": self.heads,
            "head_count_kv": self.kv_heads,
            "kv_bytes_per_token": self.kv_bytes_per_token,
            **({"kv_bytes_window": self.kv_bytes_window} if self._windowed else {}),
            **({"vocabulary": self.tokens, "merges": self.merges} if self.tokens else {}),
            **({} if self.chat_template else {"chat_template": False}),
        }


def read_header(path: Path) -> GgufHeader:
    """Read the header of a GGUF file.

    Raises:
        LoadFailedError: the file can't be read, or is not GGUF; the message says why.
    """
    try:
        with path.open("rb") as file:
            reader = _Reader(file)
            values, parameters = _contents(reader)
            size = os.fstat(file.fileno()).st_size
        found = facts(values, parameters, size)
    except (OSError, ValueError, OverflowError, struct.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        message = f"{path} can't be used as a GGUF model: {reason}"
        raise LoadFailedError(message, next_step="Name a GGUF file that is complete.") from error
    return replace(found, chat_template=bool(values.get(TEMPLATE)))


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def take(self, size: int) -> bytes:
        if self._file.tell() + size > MAX_HEADER:
            message = "its header is too long"
            raise ValueError(message)
        data = self._file.read(size)
        if len(data) < size:
            message = "it ends within its header"
            raise ValueError(message)
        return data

    def skip(self, size: int) -> None:
        if self._file.tell() + size > MAX_HEADER:
            message = "its header is too long"
            raise ValueError(message)
        self._file.seek(size, os.SEEK_CUR)

    def number(self, code: str) -> int:
        return struct.unpack("<" + code, self.take(struct.calcsize(code)))[0]

    def bounded(self, code: str, limit: int, what: str) -> int:
        value = self.number(code)
        if value > limit:
            message = f"it claims {value} {what}"
            raise ValueError(message)
        return value

    def string(self, limit: int = MAX_STRING) -> str:
        size = self.bounded("Q", limit, "bytes in one string")
        return self.take(size).decode("utf-8", "replace")

    def value(self) -> Value:
        """Return a value; of an array its length."""
        kind = self.number("I")
        if kind == ARRAY:
            return self._skip_array()
        if kind == STRING:
            return self.string()
        if kind not in SCALARS:
            message = f"it holds a value of unknown type {kind}"
            raise ValueError(message)
        return self.number(SCALARS[kind])

    def _skip_array(self) -> int:
        kind = self.number("I")
        count = self.bounded("Q", MAX_ITEMS, "items in one array")
        if kind in SCALARS:
            self.skip(count * struct.calcsize(SCALARS[kind]))
        elif kind == STRING:
            self._skip_strings(count)
        else:
            message = f"it holds an array of type {kind}"
            raise ValueError(message)
        return count

    def _skip_strings(self, count: int) -> None:
        """Skip strings in large blocks: one by one, a vocabulary would take a second."""
        block, at = b"", 0
        for _ in range(count):
            if at + LENGTH.size > len(block):
                block, at = block[at:] + self._file.read(BLOCK), 0
                if len(block) < LENGTH.size or self._file.tell() > MAX_HEADER:
                    message = "it ends within its header, or that is too long"
                    raise ValueError(message)
            (size,) = LENGTH.unpack_from(block, at)
            if size > MAX_STRING:
                message = f"it claims {size} bytes in one string"
                raise ValueError(message)
            at += LENGTH.size + size
            if at > len(block):
                self.skip(at - len(block))
                block, at = b"", 0
        self._file.seek(at - len(block), os.SEEK_CUR)


def _contents(reader: _Reader) -> tuple[dict[str, Value], int]:
    """Return the scalar and string pairs, and how many parameters all tensors have together."""
    if reader.take(4) != MAGIC:
        message = "it does not begin with the letters GGUF"
        raise ValueError(message)
    if (version := reader.number("I")) not in VERSIONS:
        message = f"it has GGUF version {version}, known are {VERSIONS}"
        raise ValueError(message)
    tensors = reader.bounded("Q", MAX_TENSORS, "tensors")
    pairs = reader.bounded("Q", MAX_PAIRS, "key-value pairs")
    values: dict[str, Value] = {}
    for _ in range(pairs):
        name = reader.string(MAX_NAME)
        values[name] = reader.value()
    return values, sum(_tensor_elements(reader) for _ in range(tensors))


def _tensor_elements(reader: _Reader) -> int:
    reader.string(MAX_NAME)
    elements = 1
    for _ in range(reader.bounded("I", 8, "dimensions of one tensor")):
        elements *= reader.number("Q")
    reader.skip(4 + 8)  # type and offset
    return elements


def facts(values: Mapping[str, object], parameters: int, size: int) -> GgufHeader:
    """Return the facts of a header's pairs, which Ollama's `/api/show` reports in the same form."""
    architecture = str(values.get("general.architecture", ""))

    def number(name: str, otherwise: int = 0) -> int:
        found = values.get(f"{architecture}.{name}", otherwise)
        return int(found) if isinstance(found, int | float) else otherwise

    heads = number("attention.head_count")
    embedding = number("embedding_length")
    head = embedding // heads if heads else 0
    kind = values.get("general.file_type", -1)
    return GgufHeader(
        size=size,
        architecture=architecture,
        quantisation=QUANTISATIONS.get(kind, "") if isinstance(kind, int) else "",
        parameters=parameters,
        context=number("context_length"),
        embedding=embedding,
        layers=number("block_count"),
        heads=heads,
        kv_heads=number("attention.head_count_kv", heads),
        key_length=number("attention.key_length", head),
        value_length=number("attention.value_length", head),
        window=number("attention.sliding_window"),
        tokens=_length(values.get("tokenizer.ggml.tokens")),
        merges=_length(values.get("tokenizer.ggml.merges")),
    )


def _length(found: object) -> int:
    """Return the length of an array as it was counted here, or as Ollama's `/api/show` lists it."""
    if isinstance(found, list | tuple):
        return len(cast("list[object]", found))
    return found if isinstance(found, int) else 0


def _short_count(parameters: int) -> str:
    if parameters >= 10**9:
        return f"{parameters / 1e9:.1f}B"
    return f"{parameters / 1e6:.2f}M"
