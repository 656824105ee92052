"""What happens to a message that was checked: functions `(connection, message, now)`, all synchronous."""
