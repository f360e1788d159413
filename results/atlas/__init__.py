"""What every code of a model looks like and means, as a page and for print; `python -m results.atlas`.

- view: order, colours and scales that all pictures share
- page: the page, `page.html.j2`, `atlas.css` and `atlas.js`
- svg: the page's pictures
- print: the pictures for print
"""
