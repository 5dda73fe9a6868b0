"""Token Lab: all demos as tabs on one page, each also on its own path. ``python app.py``."""

from demos import discover
from demos.ui.page import build_app, launch, start_lab

if __name__ == "__main__":
    lab = start_lab()
    launch(build_app(discover(), lab))
