"""Trains atos-mini on one CPU core: ``python -m atos_mini_training.train --out DIR``.

Seeded and counted in steps, so a run can be repeated. One thread on purpose: matrices this small gain
nothing from two, and lose much on a busy machine. The loss is on the answers only. Writes
``tokenizer.json`` and ``weights.pt``; `export` makes the GGUF of them, `evaluate` scores it.
"""
# pyright: basic, reportMissingImports=false
# (torch is an extra of the trainer and has no complete type stubs)

import argparse
import logging
import math
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from atos_mini_training.corpus import Example, example
from atos_mini_training.network import Network, Shape
from atos_mini_training.tokens import framed, train_tokenizer

log = logging.getLogger(__name__)

Encoded = tuple[list[int], list[int]]


@dataclass(frozen=True, slots=True)
class Run:
    """How long and how fast to learn."""

    steps: int = 4500
    examples: int = 60_000
    batch: int = 16
    rate: float = 3.5e-3
    warm_up: int = 80
    seed: int = 20
    report_every: int = 50
    save_every: int = 250

    def rate_at(self, step: int) -> float:
        """Warm-up, then cosine decay to a twentieth."""
        decay = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.rate * min(1.0, (step + 1) / self.warm_up) * decay


def main(argv: list[str] | None = None) -> None:
    """Train, and save the tokenizer and the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=Run().steps)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments.out.mkdir(parents=True, exist_ok=True)
    train(Run(steps=arguments.steps), arguments.out)


def train(run: Run, out: Path) -> None:
    """Train one network and write it to a folder."""
    torch.set_num_threads(1)
    torch.manual_seed(run.seed)
    rng = random.Random(run.seed)
    examples = [example(rng, "train") for _ in range(run.examples)]
    texts = (text for one in examples[:8000] for text in (one.prompt, one.answer))
    tokenizer = train_tokenizer(texts, out / "tokenizer.json")
    shape = Shape(vocabulary=tokenizer.get_vocab_size())
    network = Network(shape)
    log.info("%s parameters, %s", sum(p.numel() for p in network.parameters()), asdict(shape))
    _learn(network, run, [_encode(tokenizer, one) for one in examples], out)
    _save(network, out)


def _learn(network: Network, run: Run, data: list[Encoded], out: Path) -> None:
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=run.rate, betas=(0.9, 0.98), weight_decay=0.05
    )
    rng = random.Random(run.seed + 1)
    seen = 0
    started = time.process_time()
    for step in range(run.steps):
        for group in optimizer.param_groups:
            group["lr"] = run.rate_at(step)
        ids, targets, tokens = _batch(rng, data, run.batch)
        loss = network.loss(ids, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        seen += tokens
        if step % run.report_every == 0:
            spent = time.process_time() - started
            speed = seen / max(spent, 1e-6)
            log.info(
                "step %d loss %.4f at %d tokens an example, %.0f CPU s, %.0f tokens/s",
                step,
                loss.item(),
                ids.shape[1],
                spent,
                speed,
            )
        if step % run.save_every == run.save_every - 1:
            _save(network, out)


def _encode(tokenizer: Tokenizer, one: Example) -> Encoded:
    end = tokenizer.token_to_id("<|im_end|>")
    return tokenizer.encode(framed(one.prompt)).ids, [*tokenizer.encode(one.answer).ids, end]


def _batch(rng: random.Random, data: list[Encoded], size: int) -> tuple[Tensor, Tensor, int]:
    """Draw examples of like length, padded; targets are -100 wherever nothing is to be learned."""
    drawn = sorted(rng.sample(data, size * 8), key=lambda one: len(one[0]) + len(one[1]))
    start = rng.randrange(8) * size
    chosen = drawn[start : start + size]
    longest = max(len(prompt) + len(answer) for prompt, answer in chosen)
    ids = torch.zeros(size, longest, dtype=torch.long)
    targets = torch.full((size, longest), -100)
    for row, (prompt, answer) in enumerate(chosen):
        whole = prompt + answer
        ids[row, : len(whole)] = torch.tensor(whole)
        targets[row, len(prompt) - 1 : len(whole) - 1] = torch.tensor(answer)
    return ids, targets, sum(len(prompt) + len(answer) for prompt, answer in chosen)


def _save(network: Network, out: Path) -> None:
    torch.save(network.state_dict(), out / "weights.pt")


if __name__ == "__main__":
    main()
