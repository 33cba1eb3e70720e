"""The words of the pages in several languages, and how numbers and times are written in each."""

from jurybox.web.i18n.catalogue import LANGUAGES, Catalogue, choose_language, get_catalogue

__all__ = ["LANGUAGES", "Catalogue", "choose_language", "get_catalogue"]
