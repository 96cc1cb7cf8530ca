"""Advice in every form: the report (JSON), the terminal, Markdown, and a page."""
