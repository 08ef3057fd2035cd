# Copyright 2026 mumu_ros contributors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""The `mumu` command: one sub-command for each thing that the package does.

Imports little, because signals end it without a traceback only afterwards.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading

TYPE_CHECKING = False  # that of `typing`, which takes a while to import
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType
    from typing import Any, TypeAlias

    Commands: TypeAlias = Mapping[str, tuple[str, str]]

__all__ = ["main", "run"]

_LONGEST = 2000
"""Characters of an error: it quotes what a file says."""

# Group: command: (module that registers it, one line of help). A module is imported when its command is asked for, so
# that `mumu simulate` needs no torch and `mumu train` no ROS.
COMMANDS = {
    "Run": {
        "recognize": ("mumu_ros.recognize.cli", "recognise the people in a video, a bag, or before a camera"),
        "demo": ("mumu_ros.nodes.demo", "recognise a simulated person live over ROS 2"),
        "watch": ("mumu_ros.nodes.watch", "show what a running system recognises"),
        "launch": ("mumu_ros.nodes.launch_command", "start a launch file where ros2 launch is not installed"),
        "weights": ("mumu_ros.people.weights", "fetch the weights of the pose network"),
        "export": ("mumu_ros.training.export", "prepare a model for a fast start on this machine"),
    },
    "Recordings": {
        "record": ("mumu_ros.nodes.record", "record topics as a rosbag2 where ros2 bag is not installed"),
        "simulate": ("mumu_ros.recordings.simulate", "record a simulated person as a rosbag2"),
        "convert": ("mumu_ros.datasets.convert", "convert a public dataset to a rosbag2"),
        "label": ("mumu_ros.labelling.cli", "label the activities of a recording on a local page"),
        "evaluate": ("mumu_ros.evaluation.cli", "evaluate a model on recordings"),
    },
    "Training": {
        "dataset": ("mumu_ros.datasets.cli", "make a training set of recordings and their labels"),
        "train": ("mumu_ros.training.cli", "train a model"),
        "test": ("mumu_ros.training.cli", "test a model on a dataset"),
        "cross-validate": ("mumu_ros.training.cli", "train and test on every fold of a protocol"),
        "health": ("mumu_ros.training.health_cli", "train the fault detection of a model"),
    },
    "Measurements": {
        "bench": ("mumu_ros.benchmarks.cli", "measure time and cost"),
        "soak": ("mumu_ros.trials.soak", "run the whole system while its sensors fail at random"),
        "fuzz": ("mumu_ros.trials.fuzz", "fuzz every input of the package, guided by coverage"),
    },
}
UNTIL_INTERRUPTED = ("launch", "label", "watch", "demo", "recognize", "record")
"""Commands that end by a signal: SIGINT and SIGTERM end them even where a script had SIGINT ignored."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of `mumu`; see `run`."""
    return run("mumu", "Human activity recognition from cameras, depth sensors and IMUs.", COMMANDS, arguments)


def run(program: str, description: str, groups: Mapping[str, Commands], arguments: Sequence[str] | None = None) -> int:
    """Run one command of a table.

    Args:
        program: Its name in messages.
        description: Of the program.
        groups: Heading → command → the module that registers it, one line of help.
        arguments: Of the command line; None: those of the process.

    Returns:
        Exit status: 0 on success, 2 for a command line or an input that cannot be used, from 128 on as a shell has it
        for what was interrupted.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    asked = arguments[0] if arguments else ""
    try:
        with _ended_by_signals(asked in UNTIL_INTERRUPTED):
            parser = _parser(program, description, groups, asked)
        parsed, rest = parser.parse_known_args(arguments)
        # argparse takes the words of a list in one place only; people write them before and behind options.
        listed: argparse.Action | None = getattr(parsed, "listed", None)
        if unknown := [word for word in rest if listed is None or word.startswith("-")]:
            parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        if listed is not None:
            convert: Any = listed.type or str
            getattr(parsed, listed.dest).extend(map(convert, rest))
        status: int = parsed.run(parsed)
        sys.stdout.flush()
    except ModuleNotFoundError as error:
        from mumu_ros.install_hints import remedy

        print(f"{program} {asked}: {error}; {remedy(error.name or '')}", file=sys.stderr)
        return 2
    except ImportError as error:  # says itself what is missing, or what of an installed module cannot be loaded
        print(f"{program} {asked}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads has enough, as `head` does; Python must not complain at its exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (ValueError, OSError) as error:  # what a command refuses: its text says what and why
        from mumu_ros.text import reason, shorten

        print(f"{program} {asked}: {shorten(reason(error), _LONGEST)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status


@contextlib.contextmanager
def _ended_by_signals(always: bool) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end the process without a word: an extension being imported would make errors of them.

    Args:
        always: Whether the first two also where they are ignored, and whether all raise KeyboardInterrupt afterwards.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if threading.current_thread() is not threading.main_thread():
        before = {}
    for number in [number for number, handler in before.items() if handler in (None, signal.SIG_IGN)]:
        if not always or number == signal.SIGHUP:  # nohup has it ignored, and the command goes on
            del before[number]
    for number in before:
        signal.signal(number, lambda came, _: os._exit(128 + came))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, _interrupt if always else handler)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; for SIGHUP once, because the shell and the kernel send it when a terminal is closed."""
    if number == signal.SIGHUP:
        signal.signal(number, lambda *_: None)  # SIG_IGN would complain of one that has just come
    raise KeyboardInterrupt


def _parser(program: str, description: str, groups: Mapping[str, Commands], asked: str) -> argparse.ArgumentParser:
    """The parser of a command line that asks for this command."""
    import argparse  # here, where signals are handled: these take longer than all other imports
    import importlib.metadata

    parser = argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog="\n".join(_listing(groups)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    table = {command: where for commands in groups.values() for command, where in commands.items()}
    parser.add_argument("--version", action="version", version=importlib.metadata.version("mumu_ros"))
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, help="one of those below")
    if asked in table:
        importlib.import_module(table[asked][0]).register(commands)
    else:
        for name in table:
            commands.add_parser(name)
    return parser


def _listing(groups: Mapping[str, Commands]) -> Iterator[str]:
    width = max(len(name) for commands in groups.values() for name in commands)
    for heading, commands in groups.items():
        yield f"{heading}:"
        yield from (f"  {name:{width}}  {text}" for name, (_module, text) in commands.items())
        yield ""


if __name__ == "__main__":
    sys.exit(main())
