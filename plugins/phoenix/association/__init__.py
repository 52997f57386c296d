"""From classified frames to ABs: grouping, matching by level and time, reasons, AB text form."""
