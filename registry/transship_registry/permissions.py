"""What a file that takes another one's place has to take over from it."""

import os
import stat


def take_over(descriptor: int, path: str | os.PathLike[str]) -> None:
    """Give an open file the owner, group and mode of the one at `path`, as far as that is allowed; raises `OSError`.

    Where the group cannot be kept, its rights are not given to another one.
    """
    try:
        old = os.stat(path)
    except FileNotFoundError:
        return
    mode = stat.S_IMODE(old.st_mode) & (stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    if not (_owned(descriptor, old.st_uid, old.st_gid) or _owned(descriptor, -1, old.st_gid)):
        mode &= ~stat.S_IRWXG
    os.fchmod(descriptor, mode)


def _owned(descriptor: int, user: int, group: int) -> bool:
    try:
        os.fchown(descriptor, user, group)
    except OSError:
        return False
    return True
