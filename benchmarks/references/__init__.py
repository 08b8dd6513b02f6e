"""What one writes in plain torch without a library: the field's networks at their shortest."""
