"""How each kind of event changes what people see of a goal: one function a kind, all of them pure."""
