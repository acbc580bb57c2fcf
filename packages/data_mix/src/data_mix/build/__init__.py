"""Building a mix: plan → read → decide → write.

    steps        the order of the steps
    plan         which raw files, or row groups of them, each entry needs
    staging      read: raw file → a staged part in the cache
    writing      write: staged part + decision → shards
    manifest, card   what the folder says of itself
    output       whose folder it is; journal: what this machine wrote there

The step *decide* is `data_mix.selection`; the folder's format is `data_mix.shards`.
"""

from data_mix.build.steps import BuildOptions, build, default_folder, plan_build

__all__ = ["BuildOptions", "build", "default_folder", "plan_build"]
