"""How `target_name` names things below a target."""

from dataclasses import dataclass, field
from typing import Final

from transship_planner.gotemplate import Object, Template, TemplateError
from transship_registry.errors import InvalidReferenceError
from transship_registry.reference import Reference, Repository

_UNKNOWN_FIELD: Final = "can't evaluate field "  # Go's words, which templates fail with here, too


@dataclass(frozen=True, slots=True)
class TargetName:
    """A template for names; `text` is the template as written."""

    text: str
    template: Template = field(compare=False, repr=False)

    def tag_below(self, target: Repository, source: Reference, tag: str) -> Reference:
        """Name the tag in the target repository: the template gives `TAG`, or `REPOSITORY:TAG` for one further below.

        `tag` is what `source` is called at the target without a template. Raises `InvalidReferenceError`.
        """
        repository, _, name = self._expanded(source, tag).rpartition(":")
        return self._reference(f"{target}/{repository}" if repository else str(target), name, source)

    def repository_below(self, prefix: str, source: Reference, tag: str) -> Reference:
        """Name the repository below a prefix: the template gives `REPOSITORY`, whose tag is `tag`, or `REPOSITORY:TAG`.

        Raises `InvalidReferenceError`.
        """
        repository, colon, name = self._expanded(source, tag).partition(":")
        return self._reference(f"{prefix}/{repository}", name if colon else tag, source)

    def _reference(self, repository: str, tag: str, source: Reference) -> Reference:
        try:
            return Repository.parse(repository).tag(tag)
        except InvalidReferenceError as error:
            raise InvalidReferenceError(f"{source}: target_name gives no reference: {error}") from error

    def unknown_field(self) -> str:
        """Return what is wrong when the template asks for a field that no tag has; empty when nothing is known."""
        try:
            self.template.execute(self.sample())
        except TemplateError as error:  # any other failure may be the fault of these values
            return error.message if error.message.startswith(_UNKNOWN_FIELD) else ""
        return ""

    def sample(self) -> Object:
        """Return what the template sees of a tag that might be."""
        return Object("TargetName", {"Source": "a/b:c", "Repository": "b", "Tag": "c"})

    def _expanded(self, source: Reference, tag: str) -> str:
        data = {"Source": str(source), "Repository": source.repository.path, "Tag": tag}
        try:
            return self.template.execute(Object("TargetName", data)).strip()
        except TemplateError as error:
            raise InvalidReferenceError(f"{source}: target_name fails: {error.message}") from error
