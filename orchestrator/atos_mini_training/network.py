"""The network of atos-mini: llama's architecture, small, in torch.

RoPE turns interleaved pairs, as llama.cpp does for this architecture, so the export needs no permutation.
Parameters are named as GGUF names them.
"""
# pyright: basic, reportMissingImports=false
# (torch is an extra of the trainer and has no complete type stubs)

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Shape:
    """The network's sizes; `context` is in tokens."""

    vocabulary: int
    dim: int = 160
    layers: int = 4
    heads: int = 5
    kv_heads: int = 5
    ff: int = 480
    context: int = 1024
    theta: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.dim // self.heads


class Block(nn.Module):
    """One layer: attention, then a gated feed-forward, each behind a norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        kv = shape.kv_heads * shape.head
        self.attn_norm = nn.RMSNorm(shape.dim, eps=shape.epsilon)
        self.ffn_norm = nn.RMSNorm(shape.dim, eps=shape.epsilon)
        self.attn_q = nn.Linear(shape.dim, shape.dim, bias=False)
        self.attn_k = nn.Linear(shape.dim, kv, bias=False)
        self.attn_v = nn.Linear(shape.dim, kv, bias=False)
        self.attn_output = nn.Linear(shape.dim, shape.dim, bias=False)
        self.ffn_gate = nn.Linear(shape.dim, shape.ff, bias=False)
        self.ffn_up = nn.Linear(shape.dim, shape.ff, bias=False)
        self.ffn_down = nn.Linear(shape.ff, shape.dim, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Transform a batch of hidden states (batch, time, dim)."""
        x = x + self._attend(self.attn_norm(x), cosine, sine)
        h = self.ffn_norm(x)
        return x + self.ffn_down(functional.silu(self.ffn_gate(h)) * self.ffn_up(h))

    def _attend(self, h: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        batch, time, dim = h.shape
        shape = self.shape
        q = _rotate(_heads(self.attn_q(h), shape.heads), cosine, sine)
        k = _rotate(_heads(self.attn_k(h), shape.kv_heads), cosine, sine)
        v = _heads(self.attn_v(h), shape.kv_heads)
        groups = shape.heads // shape.kv_heads
        if groups > 1:
            k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        out = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.attn_output(out.transpose(1, 2).reshape(batch, time, dim))


class Network(nn.Module):
    """Token ids in, last hidden states out; the embedding is also the output matrix."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.token_embd = nn.Embedding(shape.vocabulary, shape.dim)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.dim, eps=shape.epsilon)
        self._initialise(shape)
        pairs = torch.arange(0, shape.head, 2) / shape.head
        angles = torch.outer(torch.arange(float(shape.context)), shape.theta**-pairs)
        self.register_buffer("cosine", angles.cos(), persistent=False)
        self.register_buffer("sine", angles.sin(), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Give the hidden states of token ids (batch, time)."""
        x = self.token_embd(ids)
        time = ids.shape[1]
        for block in self.blk:
            x = block(x, self.cosine[:time], self.sine[:time])
        return self.output_norm(x)

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean cross entropy over the targets that are not negative."""
        hidden = self(ids)
        asked = targets >= 0
        return functional.cross_entropy(hidden[asked] @ self.token_embd.weight.T, targets[asked])

    def _initialise(self, shape: Shape) -> None:
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:  # norms stay at one
                continue
            residual = name.endswith(("attn_output.weight", "ffn_down.weight"))
            nn.init.normal_(
                parameter, 0.0, 0.02 / math.sqrt(2 * shape.layers) if residual else 0.02
            )


def _heads(x: Tensor, count: int) -> Tensor:
    batch, time, width = x.shape
    return x.view(batch, time, count, width // count).transpose(1, 2)


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), -1).flatten(-2)
