"""The sizes of the screens the app is looked at on, in pixels."""

LAPTOP = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}
