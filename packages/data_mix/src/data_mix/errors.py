"""What can go wrong that the user can mend.

    DataMixError                 any of the below; the command line prints it as one line and ends with 1
    ├── ConfigError              a section, key, source or option is unknown or of the wrong type
    │   └── UsageError           a word of the command line belongs to no option
    ├── FetchError               a raw file cannot be had: network, access, offline, not found
    │   └── DigestError          a raw file was had, but its bytes are not the ones that upstream fixes
    ├── RawFileError             a raw file is broken as a whole: truncated, no archive, a column is missing
    │   └── BadRecordError       one record of a raw file is broken
    ├── BuildError               a build cannot be made: two entries of one name, an id that comes twice
    │   └── OutputError          the output cannot be written: no space, no permission, another build is at it
    ├── FormatError              a build folder cannot be read: unfinished, newer, damaged
    ├── PublishError             a folder cannot be published: a licence forbids it, the hub refuses, another visibility
    ├── TrainingError            training cannot start or go on: another mix, hardware without fp16, a loss that is no number
    │   └── CheckpointError      a checkpoint cannot be resumed from: half written, of other data
    └── EvalError                a model cannot be scored: no tokenizer, log-probabilities that are no numbers
        └── SandboxError         code of a model cannot be run: nothing on this machine would hold it

A message holds the value found, what was wanted and what to do next. A bug is none of these and keeps its traceback.
"""

from __future__ import annotations


class DataMixError(Exception):
    """The root: something that the user can mend."""


class ConfigError(DataMixError):
    """A section, key, source or option is unknown or of the wrong type."""


class UsageError(ConfigError):
    """A word of the command line belongs to no option."""


class FetchError(DataMixError):
    """A raw file cannot be had."""


class DigestError(FetchError):
    """A raw file's bytes are not the ones that upstream fixes."""


class RawFileError(DataMixError):
    """A raw file is broken as a whole."""


class BadRecordError(RawFileError):
    """One record of a raw file is broken.

    `where` is the place, e.g. `export.jsonl.gz:17`; `what` says what was found and what was wanted.
    """

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}; mend the record, or set on_bad_record: drop to leave such records out")
        self.where, self.what = where, what

    def __reduce__(self) -> tuple[type[BadRecordError], tuple[str, str]]:
        """Carry both arguments over a process border (Exception alone would pass only the joined message)."""
        return type(self), (self.where, self.what)


class BuildError(DataMixError):
    """A build cannot be made."""


class OutputError(BuildError):
    """The output cannot be written."""


class FormatError(DataMixError):
    """A build folder cannot be read."""


class PublishError(DataMixError):
    """A folder cannot be published."""


class TrainingError(DataMixError):
    """Training cannot start or go on."""


class CheckpointError(TrainingError):
    """A checkpoint cannot be resumed from."""


class EvalError(DataMixError):
    """A model cannot be scored."""


class SandboxError(EvalError):
    """Code of a model cannot be run: nothing on this machine would hold it."""
