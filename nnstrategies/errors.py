"""Every error a user can meet, and the exit code the command line gives it.

NNStrategiesError            1
├── ConfigError              2   a config file or --set value
├── DataError                3   a table, a panel, a calendar
│   └── MissingTableError    3   a table that the run needs is not there
├── FitError                 4   a recipe cannot be fitted on what it was given
├── LedgerError              1   an account's books are asked for what it cannot do; a broker checks first
├── RegistryError            5   a stored version, checkpoint or timeline does not match
├── RunFolderError           6   a run folder is incomplete or not one of ours
└── LeakError                7   something sees the future: a leak check found it, or a stored model says so
"""


class NNStrategiesError(Exception):
    """Base of all errors meant for users: the message names the object, what was expected, what came and the mend."""

    exit_code = 1


class ConfigError(NNStrategiesError):
    exit_code = 2


class DataError(NNStrategiesError):
    exit_code = 3


class MissingTableError(DataError):
    pass


class FitError(NNStrategiesError):
    exit_code = 4


class LedgerError(NNStrategiesError):
    pass


class RegistryError(NNStrategiesError):
    exit_code = 5


class RunFolderError(NNStrategiesError):
    exit_code = 6


class LeakError(NNStrategiesError):
    exit_code = 7
