"""What anyone outside the daemons uses: the Python client library and `atos-client`."""
