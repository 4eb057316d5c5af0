"""Everything about processes: the pool of workers, the server that forks them, isolation of what is
not to be trusted, signals, and what a killed run leaves behind. Knows no codec and no data set.
"""
