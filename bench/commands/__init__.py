"""The subcommands, a module each (``run``, ``check`` …; ``try`` is ``attempt``, ``list`` is
``listing``), and what they print.

The module of a subcommand has its ``SUMMARY``, its options and its ``call``; ``bench.cli`` imports
it by name. No parsed options leave it but as typed arguments.
"""
