"""Roles, prompts and the model seam."""
