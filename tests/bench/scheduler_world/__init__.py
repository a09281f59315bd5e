"""One small GPU in virtual time: hardware, requests, other programs' scheduling rules, measures."""
