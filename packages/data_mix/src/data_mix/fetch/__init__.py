"""Hub, URL or local path → a verified local file.

fetcher      the whole of it: resolve, fetch, fetch a row group
remote       a raw file before it is fetched
hub          what a hub repository holds
repo_files   which files of a repository are a split
web          requests, retries, refusals
transfer     a download that goes on where it broke off
ranges       row groups of Parquet files
digests      SHA-256, taken once
"""

from data_mix.fetch.digests import DigestStore
from data_mix.fetch.fetcher import Fetcher
from data_mix.fetch.remote import RemoteFile

__all__ = ["DigestStore", "Fetcher", "RemoteFile"]
