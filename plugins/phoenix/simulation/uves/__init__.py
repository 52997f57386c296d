"""UVES: echelle frames of the settings BLUE 437 and RED 580, which the UVES pipeline reduces end to end."""
