"""What accepted code rests on, in words. Apart from the types of `goals`, which take longer to make than to use here."""


def proof_text(proof: str, evidence: str) -> str:
    """Return what accepted code rests on as a person reads it: `agreed, not proven: 7 assertions ...`."""
    said = {
        "examples": evidence or "passes the examples",
        "tests": evidence or "passes the tests that were handed in",
        "agreed": f"agreed, not proven: {evidence or 'independent candidates agree'}",
        "unproven": f"not proven: {evidence or 'nothing decides about it'}",
    }
    return said.get(proof, evidence or "passes its acceptance tests")
