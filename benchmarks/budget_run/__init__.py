"""Budgets that are met, and penalties beside each other."""
