"""Statistics of an optimization: the decision rule. Pure functions, no I/O, no clock.

`Design` fixes an experiment before its first score; `draw_cells` draws its cells; `look` says, from the
scores so far, what to run next or what the verdict is; `replay` applies the same rule to scores that are
already there. `race` holds the theorem.
"""

from redraft.experiment.design import Cell, Design, draw_cells
from redraft.experiment.look import ArmReport, Look, Verdict, look
from redraft.experiment.replay import Decision, Record, decide_all

__all__ = [
    "ArmReport",
    "Cell",
    "Decision",
    "Design",
    "Look",
    "Record",
    "Verdict",
    "decide_all",
    "draw_cells",
    "look",
]
