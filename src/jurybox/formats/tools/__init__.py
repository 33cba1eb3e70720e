"""The exports of other annotation tools, a module each: what their fields mean, and what is no label."""
