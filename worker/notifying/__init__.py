"""Who must hear of what is critical or late: notification_settings, by what; notifying tells them"""
