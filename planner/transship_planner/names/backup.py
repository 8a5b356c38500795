"""Where the image that is about to be overwritten is kept (semantics B6.4, B11 "Backup")."""

import re
from dataclasses import dataclass
from typing import Final

from transship_planner.gotemplate import Object, Template, TemplateError
from transship_registry.errors import InvalidReferenceError
from transship_registry.reference import Reference

_TIME: Final = re.compile(
    r"[0-9]+|(?i:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?|(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?|[AP]M)"
)
"""What the time changes in a text: numbers, and the names of months, days and halves of a day."""


@dataclass(frozen=True, slots=True)
class BackupRule:
    """A backup template and what it sees as `.Sync`; it is expanded for each image that is overwritten."""

    template: Template
    sync: object

    def reference_for(self, target: Reference) -> Reference:
        """Return where the present image of `target` is kept: a tag beside it, or a full reference.

        Raises `InvalidReferenceError` when the template fails or gives no reference.
        """
        try:
            text = self.template.execute(self._data(target)).strip()
        except TemplateError as error:
            raise InvalidReferenceError(f"{target}: the backup template fails: {error}") from error
        try:
            kept = Reference.parse(text) if ":" in text or "/" in text else target.repository.tag(text)
        except InvalidReferenceError as error:
            raise InvalidReferenceError(f"{target}: the backup template gives no reference: {error}") from error
        if kept.tag is None or kept.digest is not None:
            raise InvalidReferenceError(f"{target}: the backup template gives {text!r}, expected a tag, without digest")
        if kept == target:
            raise InvalidReferenceError(f"{target}: the backup template gives the target itself")
        return kept

    def could_give(self, kept: Reference, target: Reference) -> bool:
        """Tell whether the template gives this reference, at this or another time.

        Raises `InvalidReferenceError` as `reference_for` does.
        """
        expected = self.reference_for(target)
        if expected == kept or "time" not in self.template.text:
            return expected == kept
        return _timeless(str(expected)) == _timeless(str(kept))

    def sample(self) -> Object:
        """Return what the template sees of an image that might be; what matters of it is that it is there."""
        return self._data(Reference.parse("registry.example/app:tag"))

    def _data(self, target: Reference) -> Object:
        repository = target.repository
        fields = {
            "Scheme": "ocidir" if repository.is_layout else "reg",
            "Reference": str(target),
            "Registry": repository.registry,
            "Repository": "" if repository.is_layout else repository.path,
            "Tag": target.tag or "",
            "Digest": "",
            "Path": repository.path if repository.is_layout else "",
        }
        return Object("TemplateData", {"Ref": Object("Ref", fields), "Sync": self.sync, "Step": self.sync})


def _timeless(text: str) -> str:
    return _TIME.sub("0", text)
