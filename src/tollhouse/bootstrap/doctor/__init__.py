"""Doctor: says what is wrong with an installation and how to mend it. One file per organ; `examine` asks them all.

Nothing is changed; a check that cannot be made is a finding, not a failure of the others.
"""

from tollhouse.bootstrap.doctor.examine import examine
from tollhouse.bootstrap.doctor.model import Finding, Grade

__all__ = ["Finding", "Grade", "examine"]
