"""Token Lab: all demos as tabs on one page, each also on its own path. ``python app.py``."""

from demos import discover
from demos.ui.page import build_app, launch, make_lab

if __name__ == "__main__":
    lab = make_lab()
    launch(build_app(discover(), lab), lab)
