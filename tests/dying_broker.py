"""`chronik` with a fault point: the process kills itself when a transaction that is being ended comes to a step.

    python -m tests.dying_broker STEP COUNT run --data-dir ...

It dies when it comes to the step for the COUNTth time, as by SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys

from chronik.broker.transactions import Step, Transactions


def arrange_death(at: Step, count: int) -> None:
    left = count

    def step(reached: Step) -> None:
        nonlocal left
        if reached is at:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    Transactions.at = staticmethod(step)


if __name__ == "__main__":
    arrange_death(Step(sys.argv[1]), int(sys.argv[2]))
    del sys.argv[1:3]
    from chronik.cli import main

    main()
