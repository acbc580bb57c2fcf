"""One module per benchmark; the folder is the registry."""
