"""The errors of the filesystem server: a closed set, each raised with a next step."""

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
    """The text is not a valid path; the disk was not consulted."""

    code = "bad_path"


class OutsideError(WorkspaceError):
    """The path leaves the allowed directories, directly or through a link."""

    code = "outside"


class ProtectedError(WorkspaceError):
    """Writing there would change code that later runs outside the sandbox."""

    code = "protected"


class NotAFileError(WorkspaceError):
    """What is there is a directory, link, pipe, socket or device."""

    code = "not_a_file"


class HardlinkError(WorkspaceError):
    """The file has another name, which may lie outside the allowed directories."""

    code = "hardlink"


class NotTextError(WorkspaceError):
    """The content is not text."""

    code = "not_text"


class TooBigError(WorkspaceError):
    """The file or content is larger than one call may carry."""

    code = "too_big"
    status = 413


class DiskFullError(WorkspaceError):
    """There is no space left; the previous content is intact."""

    code = "disk_full"
    status = 507


class QuotaError(WorkspaceError):
    """More was to be changed than one directory takes in such a time."""

    code = "quota"
    status = 429


class FailedError(WorkspaceError):
    """The system refused, for a reason that has no class of its own."""

    code = "io"


class ExistsError(ConflictError):
    """Something exists at this path, and it is not replaced."""

    code = "exists"


class ChangedError(ConflictError):
    """The file was changed since it was read."""

    code = "changed"


class NoMatchError(BadRequestError):
    """The text to be replaced is not in the file."""

    code = "no_match"


class NotUniqueError(BadRequestError):
    """The text to be replaced is in the file more than once."""

    code = "not_unique"


def from_os(error: OSError, path: str) -> AtosError:
    """Return the error for an OSError that concerns `path`."""
    match error.errno:
        case errno.ENOENT:
            step = "See list_directory; create a missing folder with create_directory."
            return NotFoundError(f"{path} does not exist", next_step=step)
        case errno.EXDEV | errno.ELOOP:
            message = f"{path} leaves the allowed directories through a link"
            return OutsideError(message, next_step="Use the real path of the file.")
        case errno.ENOTDIR:
            message = f"{path} is not a directory, or one of its parents is a file"
            return NotAFileError(message, next_step="See its folder with list_directory.")
        case errno.EEXIST | errno.ENOTEMPTY:
            step = "Choose another name, or edit what is there."
            return ExistsError(f"{path} exists already", next_step=step)
        case errno.EISDIR:
            return NotAFileError(f"{path} is a directory", next_step="Use list_directory.")
        case errno.ENAMETOOLONG:
            return BadPathError(f"{path[:80]}... is too long", next_step="Use shorter names.")
        case errno.ENOSPC | errno.EDQUOT:
            message = f"{path} can't be written: {os.strerror(error.errno or 0)}"
            return DiskFullError(message, next_step="Free some space; nothing was changed.")
        case errno.EAGAIN:
            return BusyError(f"{path} keeps changing", next_step="Try again.")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            message = f"{path}: {error.strerror}"
            return FailedError(message, next_step="Ask the user for access to it.")
        case _:
            return FailedError(f"{path}: {error.strerror or error}")
