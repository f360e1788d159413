"""What a user sees while a search runs, and how it is interrupted.

- `monitor`: counts, front and time left on the terminal.
- `gauges`: the same for Prometheus, by Ray's metrics port.
- `terminal`: all other output goes to the log.
- `hooks`: commands and URLs that are called when something has come of it.
- `interruption`: Ctrl-C and SIGTERM.
- `head`: whether Ray's own processes are there still.
"""
