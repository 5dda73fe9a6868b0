"""The optional MCP server: Gradio offers every public endpoint to assistants as a tool.

Knows nothing of the endpoints: their docstrings and types are the tools' descriptions.
"""

import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import gradio as gr

from core.errors import ConfigError

MCP_MAJOR = "1"  # what Gradio 6 can serve with; mcp 2 has other names


def check_mcp() -> None:
    """Raise ConfigError when the package that the MCP server needs is not there."""
    try:
        installed = version("mcp")
    except PackageNotFoundError:
        installed = ""
    if installed.partition(".")[0] != MCP_MAJOR:
        there = f"version {installed} is installed" if installed else "it is not installed"
        raise ConfigError(
            f"LAB_MCP=1 needs the package mcp, version {MCP_MAJOR}, and {there}. "
            f'Run: pip install "gradio[mcp]=={gr.__version__}", or leave LAB_MCP unset.'
        )


def answer_in_json(app: gr.Blocks) -> None:
    """Make the tools of a launched app answer with JSON text.

    Gradio writes an answer as Python does, with None and True, which nothing but Python reads.
    Ends the program when Gradio could start no MCP server.
    """
    server = app.mcp_server_obj
    if server is None:
        raise SystemExit(f"LAB_MCP=1, but Gradio could start no MCP server: {app.mcp_error}")

    def as_json(data: list[Any], root_url: str) -> list[Any]:
        texts = [json.dumps(value, ensure_ascii=False) for value in data]
        return [server.types.TextContent(type="text", text=text) for text in texts]

    server.postprocess_output_data = as_json
