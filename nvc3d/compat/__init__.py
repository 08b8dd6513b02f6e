"""Other packages' names, signatures and return types over our operators: change one import line."""
