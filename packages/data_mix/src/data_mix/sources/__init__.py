"""The sources: one module each, with one `SOURCE`; see `data_mix.source`."""
