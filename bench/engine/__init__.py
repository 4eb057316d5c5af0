"""Carries a campaign out: plans, schedules, measures and proves; knows no codec, data set or metric
by name."""
