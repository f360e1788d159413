"""The report of a run as one page.

- report: what the page shows; `page.html.j2` says it, `page.js` draws it, `live.js` looks for a newer one
- page: templates, style sheets and scripts; `macros.html.j2` and `page.css` are shared with the atlas
"""
