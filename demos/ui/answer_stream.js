// No answer stays unread. The server ends the stream of a page's answers when nothing is pending. An
// event that is sent while this news is on its way has its answer put into a stream that nobody reads:
// Gradio's page takes the news without a look at what it has sent since, and waits for ever. So here
// the stream goes on while an event is unanswered; and one that is sent as the stream ends is heard of
// when the page has taken the end in, so that it opens the next stream.
(() => {
  const TAKEN_IN_MS = 50; // at most; the page lets go of the stream when it has
  const fetched = window.fetch.bind(window);
  const unanswered = new Set(); // ids of events
  const early = new Set(); // of those that were answered before their id was heard of
  let ended = Promise.resolve();

  async function join(input, init) {
    const response = await fetched(input, init);
    const { event_id: id } = await response.clone().json().catch(() => ({}));
    if (response.ok && id && !early.delete(id)) unanswered.add(id);
    await ended;
    return response;
  }

  function note(message) {
    if (!message.includes('"msg":"process_completed"')) return;
    const { event_id: id } = JSON.parse(message.slice(message.indexOf("{")));
    if (!unanswered.delete(id)) early.add(id);
  }

  async function* messagesOf(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let [text, done] = ["", false];
    while (!done) {
      const part = await reader.read();
      done = part.done;
      const messages = (text + (part.value ?? "")).split("\n\n");
      text = messages.pop();
      yield* messages;
    }
  }

  // ``ending`` is called before the message that ends them.
  async function* answers(response, again, ending) {
    let goesOn = true;
    while (goesOn) {
      goesOn = false;
      for await (const message of messagesOf(response)) {
        note(message);
        const ends = message.includes('"msg":"close_stream"');
        goesOn = ends && unanswered.size > 0;
        if (ends && !goesOn) ending();
        if (!goesOn) yield new TextEncoder().encode(message + "\n\n");
      }
      if (goesOn) response = await again();
      if (!response.ok) throw new TypeError(`The stream of answers was refused: ${response.status}`);
    }
  }

  async function stream(request) {
    const response = await fetched(request.clone());
    if (!response.ok) return response;
    let takenIn = null;
    const ending = () => {
      ended = new Promise((done) => (takenIn = done));
      setTimeout(takenIn, TAKEN_IN_MS);
    };
    const messages = answers(response, () => fetched(request.clone()), ending);
    const body = new ReadableStream({
      async pull(controller) {
        try {
          const { done, value } = await messages.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          if (!takenIn) unanswered.clear(); // the connection is lost, and the page gives all up
          throw error;
        }
      },
      cancel: () => takenIn?.(),
    });
    return new Response(body, response);
  }

  window.fetch = (input, init) => {
    const [path] = String(input?.url ?? input).split(/[?#]/);
    if (path.endsWith("/queue/join")) return join(input, init);
    if (path.endsWith("/queue/data")) return stream(new Request(input, init));
    return fetched(input, init);
  };
})();
