"""A build, or a trained model → a repository of the hub, and a repository → a build folder.

sending      publish: look, ask, send, compare, merge
pulling      pull: fetch, put together, declare whole
build_plan   what of a build is sent
model_plan   what of a trained model is sent
files        a file as it is to stand in a repository
published    the manifest of a published build
leaving_out  a manifest without some of its entries
licences     what must not be passed on
cards        the pages that are written for what is published
parquet      Arrow parts ↔ Parquet files, the same bytes there and back
content      a digest of rows, whatever the file format
remote       the calls of the hub, each an error in one line where it is refused
token        the hub's token: read in one place, shown in none
"""
