"""The kitchen's central picture as values: geometry, slices, the stack, labels and the fridge.

`web.pizza` puts it together.
"""
