"""``python -m demos.<name>``: one demo alone, with the look, the links and the API of all."""

import asyncio
import runpy

import httpx
import pytest
import serving
from gradio_client import Client

from demos import discover
from demos.ui import page

SECONDS = 60
DEMOS = discover()


@pytest.fixture(scope="module")
def alone():
    """Surprisal, started as a command."""
    server = serving.Server("toy", program=["-m", "demos.surprisal"])
    yield server.wait_until_ready()
    server.stop()


def test_the_command_serves_one_demo(alone):
    """One page with the demo's parts and none of another, under its own title."""
    config = httpx.get(f"{alone.url}/config", timeout=SECONDS).json()
    assert config["title"] == "Surprisal · Token Lab"
    assert len(config["pages"]) == 1
    assert not [part for part in config["components"] if part["type"] == "tabitem"]
    assert httpx.get(f"{alone.url}/?text=To%20be", timeout=SECONDS).is_success


def test_its_api_is_the_whole_one(alone):
    """Whoever opens one demo can ask what can be asked of all."""
    client = Client(alone.url, verbose=False)
    listed = client.view_api(return_format="dict", print_info=False)
    assert len(listed["named_endpoints"]) == 5
    assert client.predict("abc", api_name="/surprisal")["n_scored"] == 3
    client.close()


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.slug)
def test_each_demo_is_a_command(monkeypatch, demo):
    """Each file, run as a program, launches its own demo and nothing else."""
    launched = []
    monkeypatch.setattr(page, "launch", lambda app, lab: launched.append(app))
    monkeypatch.setenv("LAB_MODEL", "toy")
    file = serving.ROOT / "demos" / f"{demo.slug.replace('-', '_')}.py"

    async def run():  # in a running event loop: without one Gradio leaves one open
        runpy.run_path(str(file), run_name="__main__")

    asyncio.run(run())
    assert [app.title for app in launched] == [f"{demo.title} · Token Lab"]
