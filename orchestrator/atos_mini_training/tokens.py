"""The tokenizer of atos-mini: byte-level BPE of 1024 tokens, trained on the corpus.

Digits are never merged, so that a number in the goal can be copied digit by digit. llama.cpp reads the
vocabulary as "gpt-2"; its pre-tokenizer keeps digits together, which changes nothing without merges.
"""
# pyright: basic, reportMissingImports=false
# (tokenizers is an extra of the trainer and ships incomplete type stubs)

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
VOCABULARY = 1024


def framed(prompt: str) -> str:
    """Write a prompt as the chat template renders it."""
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


def train_tokenizer(texts: Iterable[str], path: Path) -> Tokenizer:
    """Train on texts and save to `path`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(path))
    return tokenizer
