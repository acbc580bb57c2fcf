"""Raw files → frames of records, with every record counted.

readers                      the readers that sources use
compressed                   plain, gzip or zstd → lines
json_record, json_chunk      one record, strictly; many at once
csv_rows, parquet_rows       tables
record_frame, required       what all frames have; what a record must have
archive                      members of tar and zip, read as data
"""

from data_mix.records.readers import (
    BadRecord,
    csv_records,
    is_parquet,
    json_records,
    json_values,
    parquet_records,
    read_records,
    record_key,
)
from data_mix.records.record_frame import record_place

__all__ = [
    "BadRecord",
    "csv_records",
    "is_parquet",
    "json_records",
    "json_values",
    "parquet_records",
    "read_records",
    "record_key",
    "record_place",
]
