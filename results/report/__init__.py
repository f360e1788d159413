"""The report of a run as one page.

- report: what the page shows; `page.html.j2` says it
- page: templates, style sheets and scripts; `macros.html.j2` and `page.css` are shared with the atlas
"""
