"""The web app: pages for annotators and owners, and the same functions as JSON under ``/api/v1``."""
