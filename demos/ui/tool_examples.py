"""Two chats with tools to begin with: data only.

Each ends where the model writes the next step: the first its call, the second its answer.
"""

import json
from typing import Any

Json = dict[str, Any]


def _function(name: str, description: str, argument: str, meaning: str) -> Json:
    """A function of one text argument, described the way chat templates take it."""
    properties = {argument: {"type": "string", "description": meaning}}
    parameters = {"type": "object", "properties": properties, "required": [argument]}
    described = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": described}


def _call(name: str, **arguments: str) -> Json:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
WEATHER_TOOLS = [_function("get_weather", "The weather in a city, now.", "city", "the city's name")]
WEATHER = [SYSTEM, {"role": "user", "content": "What is the weather like in Oslo?"}]
DATABASE_TOOLS = [
    _function("query", "Ask the course database, table students(name, city).", "sql", "one SELECT")
]
DATABASE = [
    SYSTEM,
    {"role": "user", "content": "How many students live in Bern?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [_call("query", sql="SELECT COUNT(*) FROM students WHERE city = 'Bern'")],
    },
    {"role": "tool", "content": json.dumps([{"COUNT(*)": 17}])},
]
EXAMPLES: tuple[tuple[str, list[Json], list[Json]], ...] = (
    ("Example: weather", WEATHER, WEATHER_TOOLS),
    ("Example: database", DATABASE, DATABASE_TOOLS),
)
