"""The steps of a build, each on its own; `data_mix.build` runs them.

plan             which raw files, or row groups of them, each entry needs
staging          read: raw file → a staged part in the cache
measuring        measure: staged part → values of its rows
deciding         decide: the keys of all rows → the split of each, or the reason why it is dropped
writing          write: staged part + decision → shards
proof            what of the cache may be believed
asking           which measures a mix asks for
manifest, audit  what the folder says of itself, and of the rows that were dropped for another's sake
output, journal  whose folder it is; what this machine wrote there
"""
