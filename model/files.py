"""YAML loaders that do not lose what a person wrote: a key written twice, or a number's spelling."""

from __future__ import annotations

from typing import Any

import yaml

YAML_NULL = "tag:yaml.org,2002:null"
YAML_MERGE = "tag:yaml.org,2002:merge"


class UniqueKeys(yaml.SafeLoader):
    """Refuses a key that is written twice, which YAML would answer by keeping the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Makes the dictionary of one mapping."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key} is written twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


class AsWritten(UniqueKeys):
    """Reads every plain word as the string that it is: 3.0, 007, no and 2026-01-01 keep their spelling."""


AsWritten.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in (YAML_NULL, YAML_MERGE)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
