"""Which models there are and which pools they may serve: settings files, contracts, deployments."""
