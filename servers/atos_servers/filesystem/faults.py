"""What can go wrong with a path: a closed set of errors, each with its next step."""

from __future__ import annotations

import errno
import os

from atos_protocol.errors import (
    AtosError,
    BadRequestError,
    BusyError,
    ConflictError,
    NotFoundError,
    WorkspaceError,
)


class BadPathError(BadRequestError):
    """The text can't be a path here, before any look at the disk."""

    code = "bad_path"


class OutsideError(WorkspaceError):
    """The path leaves the allowed directories, or a link in the way does."""

    code = "outside"


class ProtectedError(WorkspaceError):
    """Writing there would change what later runs on this machine outside the sandbox."""

    code = "protected"


class NotAFileError(WorkspaceError):
    """What is there is a directory, link, pipe, socket or device."""

    code = "not_a_file"


class HardlinkError(WorkspaceError):
    """The file has another name, which may lie outside the allowed directories."""

    code = "hardlink"


class NotTextError(WorkspaceError):
    """The content is no text."""

    code = "not_text"


class TooBigError(WorkspaceError):
    """The file or content is larger than one call may carry."""

    code = "too_big"
    status = 413


class DiskFullError(WorkspaceError):
    """There is no room left; what was there before is whole."""

    code = "disk_full"
    status = 507


class FailedError(WorkspaceError):
    """The system refused, for a reason that has no class of its own."""

    code = "io"


class ExistsError(ConflictError):
    """There is something already, and it is not replaced."""

    code = "exists"


class ChangedError(ConflictError):
    """Somebody changed the file in the meantime."""

    code = "changed"


class NoMatchError(BadRequestError):
    """The text to be replaced is not in the file."""

    code = "no_match"


class NotUniqueError(BadRequestError):
    """The text to be replaced is in the file more than once."""

    code = "not_unique"


def from_os(error: OSError, path: str) -> AtosError:
    """Turn what the system said about a path into one of the errors above."""
    match error.errno:
        case errno.ENOENT:
            step = "Look with list_directory; make a missing folder with create_directory."
            return NotFoundError(f"{path} does not exist", next_step=step)
        case errno.EXDEV | errno.ELOOP:
            message = f"{path} leaves the allowed directories: a link is in the way"
            return OutsideError(message, next_step="Name the real path of what you want.")
        case errno.ENOTDIR:
            message = f"{path} is no directory, or a part of it is a file"
            return NotAFileError(message, next_step="Look at its folder with list_directory.")
        case errno.EEXIST | errno.ENOTEMPTY:
            step = "Choose another name, or edit what is there."
            return ExistsError(f"{path} exists already", next_step=step)
        case errno.EISDIR:
            return NotAFileError(f"{path} is a directory", next_step="Use list_directory.")
        case errno.ENAMETOOLONG:
            return BadPathError(f"{path[:80]}... is too long", next_step="Use shorter names.")
        case errno.ENOSPC | errno.EDQUOT:
            message = f"{path} can't be written: {os.strerror(error.errno or 0)}"
            return DiskFullError(message, next_step="Free some room; nothing was changed.")
        case errno.EAGAIN:
            return BusyError(f"{path} keeps changing", next_step="Try again.")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            message = f"{path}: {error.strerror}"
            return FailedError(message, next_step="Ask the person for access to it.")
        case _:
            return FailedError(f"{path}: {error.strerror or error}")
