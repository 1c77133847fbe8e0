"""`chronik completion`: the script that makes a shell complete chronik's commands, options, topics and groups."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from typing import Annotated

import typer

# typer's own script for bash hands over the words as bash cuts them, at every colon: then HOST:PORT is three words.
_BASH = """\
_chronik_completion() {
    local line="${COMP_LINE:0:COMP_POINT}"
    local -a words
    read -ra words <<< "$line"
    local count=${#words[@]}
    [[ "$line" == *[[:space:]] ]] || count=$((count - 1))
    local IFS=$'\\n'
    COMPREPLY=($(COMP_WORDS="$line" COMP_CWORD=$count _CHRONIK_COMPLETE=complete_bash "$1"))
}
complete -o default -F _chronik_completion chronik
"""


class Shell(Enum):
    """Shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion_command(print_script: Callable[[], object]) -> Callable[[Shell], None]:
    """The command; `print_script` runs typer's application, which prints its script for the shell that is asked for in
    the environment."""

    def completion(
        shell: Annotated[Shell, typer.Argument(show_default=False, help="Which shell reads the script.")],
    ) -> None:
        """Print a script for a shell, which then completes commands, options, topics and groups.

        bash: source <(chronik completion bash); fish: chronik completion fish | source; zsh: source
        <(chronik completion zsh), after compinit.
        """
        if shell is Shell.BASH:
            print(_BASH, end="")
        else:
            os.environ["_CHRONIK_COMPLETE"] = f"source_{shell.value}"
            print_script()

    return completion
