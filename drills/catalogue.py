"""All drills, in the order of the ten ways in which ML projects go wrong."""

from drills.data_drills import DATA
from drills.drill import Drill
from drills.model_drills import MODEL
from drills.service_drills import SERVICE

DRILLS: tuple[Drill, ...] = tuple(sorted((*MODEL, *DATA, *SERVICE), key=lambda drill: drill.problem))
