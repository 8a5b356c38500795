"""What a registry or layout holds, seen with another program's eyes: skopeo, and sha256 of what it prints."""

import hashlib
import json
import subprocess


def raw_manifest(reference: str) -> bytes:
    """Return the raw manifest that skopeo sees; `reference` is skopeo's, such as `docker://host/name:tag`."""
    return subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", reference], check=True, capture_output=True
    ).stdout


def digest(reference: str) -> str:
    """Return the digest of the raw manifest that skopeo sees."""
    return f"sha256:{hashlib.sha256(raw_manifest(reference)).hexdigest()}"


def tags(repository: str) -> list[str]:
    """Return the tags that skopeo lists."""
    listed = subprocess.run(
        ["skopeo", "list-tags", "--tls-verify=false", repository], check=True, capture_output=True
    ).stdout
    return sorted(json.loads(listed)["Tags"])


def copy_whole(reference: str, folder: str) -> None:
    """Let skopeo fetch and verify everything that a reference points at."""
    subprocess.run(
        ["skopeo", "copy", "--all", "--src-tls-verify=false", "-q", reference, f"dir:{folder}"],
        check=True,
        capture_output=True,
    )
