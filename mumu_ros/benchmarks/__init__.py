"""What the package costs and how well it keeps up: `mumu bench`.

One module for each subcommand, listed in `cli.BENCHMARKS`. It has
- `register(parser)`: its description and options;
- `measure(arguments)`: the measurement; a dictionary that JSON can hold;
- `table(result)`: rows of text, the header first.
"""
