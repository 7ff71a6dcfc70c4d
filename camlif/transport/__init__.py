"""A model among patients it was not made of: whether it holds, is mended, and goes on holding."""
