"""Meeting: a board walks a worklist in large type, with its packet before and its minutes after."""
