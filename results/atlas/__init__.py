"""What every code of a model looks like and means, as a page and for print; `python -m results.atlas`.

- view: order, colours, letters and scales that all pictures share
- palette: colours that any eye tells apart, and letters that go with them
- page: the page, `page.html.j2`, `atlas.css` and `atlas.js`
- svg: the page's pictures
- print: the pictures for print
"""
