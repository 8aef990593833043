"""REST of budgets."""
