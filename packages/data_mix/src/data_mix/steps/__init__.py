"""The steps of a build, each on its own; `data_mix.build` runs them, `data_mix.selection` is the step *decide*.

plan             which raw files, or row groups of them, each entry needs
staging          read: raw file → a staged part in the cache
writing          write: staged part + decision → shards
manifest, card   what the folder says of itself
output, journal  whose folder it is; what this machine wrote there
"""
