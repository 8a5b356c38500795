"""Tells which tool a configuration file is for, from what stands at its top."""

from collections.abc import Callable
from typing import Final

from transship_planner.config.yamltree import ListNode, MapNode, Node, ScalarNode
from transship_planner.errors import ConfigError, Finding, Mark
from transship_planner.migrate.tables import IMAGE_SYNCER, IMAGE_SYNCER_LOGIN, SKOPEO_REGISTRY
from transship_planner.migrate.tools import Tool

_ADVICE: Final = "name it with --from skopeo, --from dregsy or --from image-syncer"
_SIGNS: Final = (
    "skopeo's files are registries with 'images' below them, dregsy's have 'tasks', and image-syncer's have 'images' "
    "and 'auth', or map images to images"
)


def guess(root: MapNode, file: str) -> Tool:
    """Return the tool that the file is for; raises `ConfigError` when none or several come into question."""
    mark = Mark(file, 1, 1)
    if any(member.key == "sync" for member in root.members):
        message = "this is transship's own format already, or regsync's or imglife's, which transship reads as it is"
        raise ConfigError(Finding(mark, message))
    if root.members and all(_is_login(member.value) for member in root.members):
        message = "this is image-syncer's file of logins; give it with --auth, beside the file of images"
        raise ConfigError(Finding(mark, message))
    found = [tool for tool, is_it in _FORMATS if is_it(root)]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(tool.format_name for tool in found)
        raise ConfigError(Finding(mark, f"the file may be in {names}; {_ADVICE}"))
    raise ConfigError(Finding(mark, f"the file's format cannot be told: {_SIGNS}; {_ADVICE}"))


def _is_login(node: Node) -> bool:
    return _has_only(node, frozenset(IMAGE_SYNCER_LOGIN.by_name))


def _is_skopeo(root: MapNode) -> bool:
    registries = [member.value for member in root.members if isinstance(member.value, MapNode)]
    keys = {inner.key for registry in registries for inner in registry.members}
    return len(registries) == len(root.members) and not keys.isdisjoint(SKOPEO_REGISTRY.by_name)


def _is_dregsy(root: MapNode) -> bool:
    kinds = {member.key: type(member.value) for member in root.members}
    return kinds.get("tasks") is ListNode or kinds.get("relay") is ScalarNode


def _is_image_syncer(root: MapNode) -> bool:
    if not root.members:
        return False
    if _has_only(root, frozenset(IMAGE_SYNCER.by_name)):
        return all(isinstance(member.value, MapNode) for member in root.members)
    targets = [target for member in root.members for target in _targets(member.value)]
    return all(isinstance(target, ScalarNode) for target in targets) and any(
        "/" in target.text for target in targets if isinstance(target, ScalarNode)
    )


def _targets(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, ListNode) else (node,)


def _has_only(node: Node, keys: frozenset[str]) -> bool:
    """Tell whether a node is a mapping with some of these keys and no others."""
    return isinstance(node, MapNode) and bool(node.members) and all(member.key in keys for member in node.members)


_FORMATS: Final[tuple[tuple[Tool, Callable[[MapNode], bool]], ...]] = (
    (Tool.SKOPEO, _is_skopeo),
    (Tool.DREGSY, _is_dregsy),
    (Tool.IMAGE_SYNCER, _is_image_syncer),
)
