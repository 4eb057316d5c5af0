"""The subcommands: a module each, with its options and what it does with them, and what they
print.

Imported by the command line alone, one subcommand at a time.
"""
