"""A TCP way to a database that may fall silent, as a router that forgot its connections does: nobody is told, what is sent is lost."""

import asyncio
import contextlib
import threading


class Way:
    """`with Way(port) as way:` leads from `way.port` to `port`, both of the loopback."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._age = 0
        self._silent_age = 0  # connections before it are silent
        self._closed = False

    def __enter__(self) -> "Way":
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def forget(self) -> None:
        """Connections that are open fall silent for ever; new ones work."""
        self._silent_age = self._age = self._age + 1

    def close(self) -> None:
        """As `forget`, and new connections are silent too, until `open`."""
        self._closed = True
        self.forget()

    def open(self) -> None:
        """New connections work."""
        self._closed = False

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _end(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        age, closed = self._age, self._closed
        there, back = await asyncio.open_connection("127.0.0.1", self._target)

        async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(65536):
                    if not closed and age >= self._silent_age:
                        sink.write(data)
                        await sink.drain()
            except OSError:
                return
            finally:
                if not closed and age >= self._silent_age:
                    sink.close()

        with contextlib.suppress(asyncio.CancelledError):  # the end: asyncio would call that a failure
            await asyncio.gather(carry(reader, back), carry(there, writer))
