# What `import tuner` has, for editors and type checkers: `__init__.py` fetches it when it is first used.

from tuner.api import Candidate as Candidate
from tuner.api import Compared as Compared
from tuner.api import EnvironmentFailure as EnvironmentFailure
from tuner.api import InputError as InputError
from tuner.api import Problem as Problem
from tuner.api import Record as Record
from tuner.api import Space as Space
from tuner.api import StoreFailure as StoreFailure
from tuner.api import Study as Study
from tuner.api import TunerError as TunerError
from tuner.api import check as check
from tuner.api import open_study as open_study
from tuner.api import resume as resume
from tuner.api import run as run
from tuner.api import studies as studies

__version__: str
