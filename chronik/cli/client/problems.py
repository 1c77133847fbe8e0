"""What can go wrong between a command and a broker, as one sentence and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from chronik.cli.run_options import BadOption

FAILED = 1
UNREACHABLE = 3


class ClientProblem(Exception):
    """Why a command could not do what was asked; the message is one sentence for a person."""

    code = FAILED


class Unreachable(ClientProblem):
    """No broker answers."""

    code = UNREACHABLE


def refusal(code: int, message: str | None = None) -> str:
    """The end of a sentence about a broker's error: what it said of it, and the error's name."""
    from kafka.errors import for_code

    kind = for_code(code)
    name = getattr(kind, "message", kind.__name__)
    said = (message or "").strip().rstrip(".") or str(getattr(kind, "description", "")).strip().rstrip(".")
    return f"{said} ({name})" if said else str(name)


def exit_code(action: Callable[[], int | None], *, verbose: bool = False) -> int:
    """Run a command's action; whatever goes wrong becomes one sentence on stderr and a code.

    BadOption and BrokenPipeError are left to the caller, and so, where somebody wants to see it, is what nobody
    expected.
    """
    from kafka.errors import KafkaError

    try:
        return action() or 0
    except ClientProblem as problem:
        _say(str(problem))
        return problem.code
    except KafkaError as error:
        known = _problem_of(error)
        _say(str(known))
        return known.code
    except (BadOption, BrokenPipeError):
        raise
    except OSError as error:
        _say(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.")
        return FAILED
    except Exception as error:
        if verbose:
            raise
        _say(f"This was not expected, and --verbose shows where: {type(error).__name__}: {error}.")
        return FAILED


def _say(sentence: str) -> None:
    print(f"chronik: {' '.join(sentence.split())}", file=sys.stderr)


def _problem_of(error: Any) -> ClientProblem:
    from kafka import errors

    text = str(error.args[0]).strip().rstrip(".") if error.args else ""
    match error:
        case errors.KafkaTimeoutError() | errors.RequestTimedOutError():
            return Unreachable("The broker did not answer in time" + (f": {text}." if text else "."))
        case errors.KafkaConnectionError() | errors.NodeNotReadyError():
            return Unreachable(f"The connection to the broker was lost: {text or type(error).__name__}.")
        case errors.IncompatibleBrokerVersion():  # kafka-python's UnsupportedVersionError is another one
            return ClientProblem(f"The broker does not serve what this needs: {text}.")
        case errors.BrokerResponseError() if error.errno is not None:
            return ClientProblem(f"The broker refused it: {refusal(error.errno)}.")
        case _:
            return ClientProblem(f"{type(error).__name__}{f': {text}' if text else ''}.")
