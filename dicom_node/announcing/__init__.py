"""MPPS and availability. In reading order:

announcement_service  takes them
announcements         what they list; performed_steps, what is under way
"""
