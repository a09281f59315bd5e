"""Instruction-tuned models behind the four pools."""
