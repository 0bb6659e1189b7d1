"""The pages: routes, the guard before them, and the values that templates draw.

    serving     Flask under uvicorn
    guard       what every request must pass
    state       a kitchen's state as one documented value
    menu, orders, terminals    what a page shows beside the state
    kitchen     the routes
    picture     a state as a drawing

Templates see these values, never the engine.
"""
