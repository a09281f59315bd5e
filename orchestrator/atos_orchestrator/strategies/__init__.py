"""How a kind of model is worked with: general models, and the demonstration model atos-mini."""
