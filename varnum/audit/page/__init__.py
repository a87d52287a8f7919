"""The report as one page: `page` writes it, `charts` its pictures; style and script beside them."""
