"""The broker itself: topics, coordinators, long polls and housekeeping over the stores. The only room with clocks and
tasks.

It knows no wire message: requests reach it as domain values, from `chronik.api`.
"""
