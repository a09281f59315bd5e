"""What runs in the launcher process: standard library only, imported before confinement.

The launcher supervises; its child confines itself and runs the untrusted code. None of these
modules may import anything of ATOS outside this folder: inside bubblewrap nothing else is there.
"""
