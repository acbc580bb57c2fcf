"""Configuration: YAML sections and the command line → the settings of each package, checked.

nodes        YAML → a tree in which everything knows its file and line
sections     files of sections, merging, overriding
arguments    the command line, taken apart
validation   a tree → a model, or one line that says what is wrong where
config       all of it together
"""

from data_mix.config.arguments import Arguments, parse_arguments
from data_mix.config.config import (
    DEFAULTS,
    OWN_FOLDER,
    Config,
    as_yaml,
    builtin_folders,
    describe_keys,
    json_schema,
    load,
    settings_models,
)

__all__ = [
    "DEFAULTS",
    "OWN_FOLDER",
    "Arguments",
    "Config",
    "as_yaml",
    "builtin_folders",
    "describe_keys",
    "json_schema",
    "load",
    "parse_arguments",
    "settings_models",
]
