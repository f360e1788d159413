"""The configuration of one training run: its keys, their checks, and what they lay out; nothing here loads torch.

- `layout`: how a series is cut into patches
- `sections`: data, merging, sizes, windows, loss weights, alignment and training, each with its checks
- `reading`: all of it together, read from a YAML file or a mapping
"""

from model.configuration.layout import Layout, patch_layout
from model.configuration.reading import (
    Configuration,
    ConfigurationError,
    parse_configuration,
    read_configuration,
    resolve_configuration,
)

__all__ = [
    "Configuration",
    "ConfigurationError",
    "Layout",
    "parse_configuration",
    "patch_layout",
    "read_configuration",
    "resolve_configuration",
]
