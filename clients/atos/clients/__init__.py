"""What anyone outside the daemons uses: the Python client library and `atos-client`.

    from atos.clients.atos import Atos

Nothing is imported here, because `atos-client` must start at once.
"""
