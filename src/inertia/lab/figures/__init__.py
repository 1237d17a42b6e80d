"""The figures, one module each: what they may be asked (FIELDS), what they show (view) and their static twin (draw)."""
