"""The pages as people see them: a real server, and Debian's Chromium driven by Playwright (docs/decisions/0041).

window.py is a browser's window and what must hold on each page; site.py the server with something to show on each page;
routes.py the paths of all pages, from the route tables; totp.py the authenticator; conftest.py joins them.
axe.min.js is axe-core, brought and locked by scripts/vendor.
"""
