"""What PoinTr and Point-MAE keep in their folders `extensions`."""
