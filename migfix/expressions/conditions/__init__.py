"""Tests of a body as conditions of a queryset."""
