"""The sheet that a picture is drawn on, down to SVG."""
