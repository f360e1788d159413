"""The space file: what is searched, judged, kept fixed, and how much may be spent on it. Loads neither torch nor ray.

parameters   what may be searched: choices, integers and numbers, each possibly under a condition
resources    what trials get of a machine or a cluster
checks       what the parts of a space must have to do with one another
schema       the whole space as frozen models, and what has to fit together in it
reading      YAML to a checked space, and every sentence that a user sees after a mistake in it
named        a user's own classes, by name
assignments  keys that the command line sets: `--set KEY=VALUE`
"""

from search.space.reading import SpaceError, parse_space, read_space
from search.space.schema import Space

__all__ = ["Space", "SpaceError", "parse_space", "read_space"]
