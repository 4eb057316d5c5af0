"""Pages that set a paper's tables beside ours, named by the cards of suites."""
