"""Daemons that stay: a mark in the home that they respect, and a unit with which the system starts them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from atos_protocol.settings import Settings, home_directory

UNIT = "atos-scheduler.service"
SYSTEMD_SECONDS = 10.0
TEMPLATE = """[Unit]
Description=ATOS scheduler: models for the programs that have a port of its gateway

[Service]
ExecStart="{python}" -m atos_scheduler.daemon
Restart=on-failure
RestartSec=5
{environment}
[Install]
WantedBy=default.target
"""


def set_stay(settings: Settings, *, stay: bool) -> list[str]:
    """Have idle daemons stay from now on, or end as they used to; return what was done, for a person."""
    settings.prepare()
    if stay:
        settings.stay_file.touch(mode=0o600)
        return ["idle daemons stay up", *start_at_login(settings)]
    settings.stay_file.unlink(missing_ok=True)
    return [f"idle daemons end after {settings.idle_seconds:.0f} s again", *_disable()]


def start_at_login(settings: Settings) -> list[str]:
    """Have systemd start the scheduler at the person's next login, where there is systemd; say which."""
    by_hand = "after a restart of the machine: atos-client up"
    if not _systemctl("list-units", "--no-pager"):
        return [f"the scheduler stays up until it is ended; {by_hand}"]
    folder = home_directory() / ".config" / "systemd" / "user"
    given = _literal(f"ATOS_HOME={settings.home}")
    home = f'Environment="{given}"\n' if "ATOS_HOME" in os.environ else ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unit = TEMPLATE.format(python=_literal(sys.executable), environment=home)
        (folder / UNIT).write_text(unit, encoding="utf-8")
    except OSError as error:
        return [f"no unit was written ({error.strerror}); {by_hand}"]
    if not (_systemctl("daemon-reload") and _systemctl("enable", UNIT)):
        return [f"systemd did not take {UNIT}; {by_hand}"]
    return [f"the scheduler stays up, and systemd starts it at login ({UNIT})"]


def _literal(text: str) -> str:
    """Return a text as it stands between quotes of a unit: systemd reads % and backslashes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def _disable() -> list[str]:
    unit = home_directory() / ".config" / "systemd" / "user" / UNIT
    if not unit.exists():
        return []
    _systemctl("disable", UNIT)
    unit.unlink(missing_ok=True)
    return [f"{UNIT} is removed"]


def _systemctl(*arguments: str) -> bool:
    """Run `systemctl --user`; False where there is none, or it refuses."""
    if (program := shutil.which("systemctl")) is None:
        return False
    try:
        done = subprocess.run(
            [program, "--user", *arguments], check=False, timeout=SYSTEMD_SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
